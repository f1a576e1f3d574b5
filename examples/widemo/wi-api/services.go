package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azappconfig"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/queueerror"
)

const (
	vaultReference = "application/vnd.microsoft.appconfig.keyvaultref+json"
	healthPeriod   = 30 * time.Second // how long a load of the settings counts as healthy
)

// services are the clients that the application reads with, all with the one
// credential of the service account it runs as.
type services struct {
	config     config
	credential *azidentity.DefaultAzureCredential
	store      *azappconfig.Client
	blobClient *azblob.Client
	queue      *azqueue.QueueClient

	mu     sync.Mutex
	vaults map[string]*azsecrets.Client
	loaded time.Time
}

func connect(c config) (*services, error) {
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, fmt.Errorf("making the credential: %w", err)
	}
	s := &services{config: c, credential: credential, vaults: map[string]*azsecrets.Client{}}
	if s.store, err = azappconfig.NewClient(c.AppConfigEndpoint, credential, nil); err != nil {
		return nil, fmt.Errorf("making the App Configuration client: %w", err)
	}
	if s.blobClient, err = azblob.NewClient(c.blobURL(), credential, nil); err != nil {
		return nil, fmt.Errorf("making the blob client: %w", err)
	}
	service, err := azqueue.NewServiceClient(c.queueURL(), credential, nil)
	if err != nil {
		return nil, fmt.Errorf("making the queue client: %w", err)
	}
	s.queue = service.NewQueueClient(c.QueueName)
	return s, nil
}

// setting is one setting as the application sees it.
type setting struct {
	Value string `json:"value"`
	Label string `json:"label"`
	From  string `json:"from"` // "App Configuration" or "Key Vault"
}

// settings loads all keys under the shared label, then all under the own label
// over them, and resolves Key Vault references with the same credential.
func (s *services) settings(ctx context.Context) (any, error) {
	merged := map[string]setting{}
	for _, label := range []string{s.config.SharedAppConfigLabel, s.config.AppConfigLabel} {
		if err := s.load(ctx, label, merged); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.loaded = time.Now()
	s.mu.Unlock()
	return merged, nil
}

func (s *services) load(ctx context.Context, label string, into map[string]setting) error {
	pager := s.store.NewListSettingsPager(azappconfig.SettingSelector{KeyFilter: to.Ptr("*"), LabelFilter: to.Ptr(label)}, nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("loading settings with label %q: %w", label, err)
		}
		for _, have := range page.Settings {
			next := setting{Value: deref(have.Value), Label: label, From: "App Configuration"}
			if strings.HasPrefix(deref(have.ContentType), vaultReference) {
				next.From = "Key Vault"
				if next.Value, err = s.resolve(ctx, next.Value); err != nil {
					return fmt.Errorf("resolving the Key Vault reference of %q: %w", deref(have.Key), err)
				}
			}
			into[deref(have.Key)] = next
		}
	}
	return nil
}

// resolve reads the secret that a Key Vault reference points at.
func (s *services) resolve(ctx context.Context, reference string) (string, error) {
	var r struct {
		URI string `json:"uri"`
	}
	if err := json.Unmarshal([]byte(reference), &r); err != nil {
		return "", err
	}
	at, err := url.Parse(r.URI)
	parts := strings.Split(strings.Trim(at.Path, "/"), "/")
	if err != nil || at.Scheme != "https" || len(parts) < 2 || parts[0] != "secrets" {
		return "", fmt.Errorf("%q is not the identifier of a secret", r.URI)
	}
	version := ""
	if len(parts) > 2 {
		version = parts[2]
	}
	vault, err := s.vault("https://" + at.Host)
	if err != nil {
		return "", err
	}
	secret, err := vault.GetSecret(ctx, parts[1], version, nil)
	if err != nil {
		return "", err
	}
	return deref(secret.Value), nil
}

func (s *services) vault(address string) (*azsecrets.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if client := s.vaults[address]; client != nil {
		return client, nil
	}
	client, err := azsecrets.NewClient(address, s.credential, nil)
	if err == nil {
		s.vaults[address] = client
	}
	return client, err
}

// blobs lists the container and reads the text of each blob.
func (s *services) blobs(ctx context.Context) (any, error) {
	texts := map[string]string{}
	pager := s.blobClient.NewListBlobsFlatPager(s.config.ContainerName, nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the blobs of %q: %w", s.config.ContainerName, err)
		}
		for _, item := range page.Segment.BlobItems {
			text, err := s.read(ctx, deref(item.Name))
			if err != nil {
				return nil, fmt.Errorf("reading the blob %q: %w", deref(item.Name), err)
			}
			texts[deref(item.Name)] = text
		}
	}
	return texts, nil
}

func (s *services) read(ctx context.Context, name string) (string, error) {
	response, err := s.blobClient.DownloadStream(ctx, s.config.ContainerName, name, nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return string(text), err
}

// messages sends one message, receives one and deletes it.
func (s *services) messages(ctx context.Context) (any, error) {
	if _, err := s.queue.Create(ctx, nil); err != nil && !queueerror.HasCode(err, queueerror.QueueAlreadyExists) {
		return nil, fmt.Errorf("creating the queue %q: %w", s.config.QueueName, err)
	}
	if _, err := s.queue.EnqueueMessage(ctx, "hello from wi-api", nil); err != nil {
		return nil, fmt.Errorf("sending to the queue %q: %w", s.config.QueueName, err)
	}
	received, err := s.queue.DequeueMessage(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("receiving from the queue %q: %w", s.config.QueueName, err)
	}
	texts := []string{}
	for _, message := range received.Messages {
		texts = append(texts, deref(message.MessageText))
		if _, err := s.queue.DeleteMessage(ctx, deref(message.MessageID), deref(message.PopReceipt), nil); err != nil {
			return nil, fmt.Errorf("deleting the message %s: %w", deref(message.MessageID), err)
		}
	}
	return texts, nil
}

// health is good when the settings were loaded lately, and loads them if not.
func (s *services) health(ctx context.Context) (any, error) {
	s.mu.Lock()
	fresh := time.Since(s.loaded) < healthPeriod
	s.mu.Unlock()
	if fresh {
		return "healthy", nil
	}
	if _, err := s.settings(ctx); err != nil {
		return nil, errors.Join(errors.New("unhealthy"), err)
	}
	return "healthy", nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
