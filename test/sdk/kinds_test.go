package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azappconfig"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/aksess/aksess/test/sdk/deploy"
)

func gone(err error) bool {
	var refusal *azcore.ResponseError
	return errors.As(err, &refusal) && refusal.StatusCode == http.StatusNotFound
}

// content follows from a state: between 0 and a few hundred KiB, so that some
// of it is stored with the record and some beside it.
func content(state string) string {
	sum := 0
	for _, c := range state {
		sum = sum*31 + int(c)
	}
	sizes := []int{0, 1, 100, 5_000, 70_000, 300_000}
	return strings.Repeat(state+"|", sizes[uint(sum)%uint(len(sizes))]/(len(state)+1)+1)
}

// one fails unless all parts of what was read name the same state.
func one(states ...*string) (string, error) {
	for _, s := range states {
		if s == nil || *s != *states[0] {
			return "", fmt.Errorf("half applied: its parts are of different writes")
		}
	}
	return *states[0], nil
}

func pick(random *rand.Rand) string { return fmt.Sprintf("k%d", random.IntN(keysOfEach)) }

// orAbsent makes one write in five a deletion, when there is something to delete.
func orAbsent(random *rand.Rand, l *ledger, key, state string) string {
	if random.IntN(5) == 0 && l.state(key) != absent {
		return absent
	}
	return state
}

type secretKind struct{ client *azsecrets.Client }

func (k *secretKind) connect(_ *azure, credential azcore.TokenCredential, options azcore.ClientOptions) (err error) {
	k.client, err = azsecrets.NewClient("https://"+deploy.Vault+".vault.azure.net", credential, &azsecrets.ClientOptions{ClientOptions: options})
	return err
}

func (k *secretKind) next(random *rand.Rand, _ *ledger, state string) (string, string) {
	return "kill-" + pick(random), state
}

func (k *secretKind) write(ctx context.Context, key, state string) error {
	_, err := k.client.SetSecret(ctx, key, azsecrets.SetSecretParameters{
		Value: to.Ptr(state), ContentType: to.Ptr(state), Tags: map[string]*string{"state": to.Ptr(state)},
	}, nil)
	return err
}

func (k *secretKind) read(ctx context.Context, key string) (string, error) {
	return k.version(ctx, key, "")
}

func (k *secretKind) version(ctx context.Context, key, version string) (string, error) {
	got, err := k.client.GetSecret(ctx, key, version, nil)
	if gone(err) {
		return absent, nil
	}
	if err != nil {
		return "", err
	}
	return one(got.Value, got.ContentType, got.Tags["state"])
}

// verifyVersions finds every value that was ever acknowledged, each once.
func (k *secretKind) verifyVersions(t *testing.T, l *ledger) {
	t.Helper()
	for _, key := range l.keys() {
		found := map[string]int{}
		for pager := k.client.NewListSecretPropertiesVersionsPager(key, nil); pager.More(); {
			page, err := pager.NextPage(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page.Value {
				state, err := k.version(context.Background(), key, item.ID.Version())
				if err != nil {
					t.Errorf("%s: %v", *item.ID, err)
				}
				found[state]++
			}
		}
		for _, state := range l.entry(key).history {
			if state != absent && found[state] != 1 {
				t.Errorf("secret %s: got %d versions with the acknowledged value %q, want 1", key, found[state], state)
			}
		}
	}
}

type settingKind struct{ client *azappconfig.Client }

func (k *settingKind) connect(_ *azure, credential azcore.TokenCredential, options azcore.ClientOptions) (err error) {
	k.client, err = azappconfig.NewClient("https://"+deploy.Store+".azconfig.io", credential, &azappconfig.ClientOptions{ClientOptions: options})
	return err
}

func (k *settingKind) next(random *rand.Rand, l *ledger, state string) (string, string) {
	key := "kill:" + pick(random)
	return key, orAbsent(random, l, key, state)
}

func (k *settingKind) write(ctx context.Context, key, state string) error {
	if state == absent {
		_, err := k.client.DeleteSetting(ctx, key, nil)
		return err
	}
	_, err := k.client.SetSetting(ctx, key, to.Ptr(state), &azappconfig.SetSettingOptions{ContentType: to.Ptr(state)})
	return err
}

func (k *settingKind) read(ctx context.Context, key string) (string, error) {
	got, err := k.client.GetSetting(ctx, key, nil)
	if gone(err) {
		return absent, nil
	}
	if err != nil {
		return "", err
	}
	return one(got.Value, got.ContentType)
}

// blobKind writes blobs in one request, or in blocks with a list at the end.
type blobKind struct {
	blocks bool
	client *azblob.Client
}

func (k *blobKind) connect(_ *azure, credential azcore.TokenCredential, options azcore.ClientOptions) (err error) {
	k.client, err = azblob.NewClient("https://"+deploy.Account+".blob.core.windows.net", credential, &azblob.ClientOptions{ClientOptions: options})
	return err
}

func (k *blobKind) next(random *rand.Rand, l *ledger, state string) (string, string) {
	key := fmt.Sprintf("kill-%v/%s", k.blocks, pick(random))
	return key, orAbsent(random, l, key, state)
}

func (k *blobKind) write(ctx context.Context, key, state string) error {
	if state == absent {
		_, err := k.client.DeleteBlob(ctx, deploy.Container, key, nil)
		return err
	}
	headers, metadata := &blob.HTTPHeaders{BlobContentType: to.Ptr(state)}, map[string]*string{"state": to.Ptr(state)}
	if k.blocks {
		_, err := k.client.UploadStream(ctx, deploy.Container, key, strings.NewReader(content(state)),
			&azblob.UploadStreamOptions{BlockSize: 30_000, Concurrency: 1, HTTPHeaders: headers, Metadata: metadata})
		return err
	}
	_, err := k.client.UploadBuffer(ctx, deploy.Container, key, []byte(content(state)), &azblob.UploadBufferOptions{HTTPHeaders: headers, Metadata: metadata})
	return err
}

func (k *blobKind) read(ctx context.Context, key string) (string, error) {
	got, err := k.client.DownloadStream(ctx, deploy.Container, key, nil)
	if gone(err) {
		return absent, nil
	}
	if err != nil {
		return "", err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return "", err
	}
	state, err := one(got.ContentType, got.Metadata["State"])
	if err == nil && string(text) != content(state) {
		err = fmt.Errorf("half applied: %d bytes that are not those of %q, which are %d", len(text), state, len(content(state)))
	}
	return state, err
}

// messageKind sends messages, changes some and deletes some; each is a key.
type messageKind struct {
	client *azqueue.QueueClient

	sent  int
	lives []live            // known to lie in the queue
	found map[string]string // key → text, read after a restart
}

type live struct{ key, id, receipt string }

func (k *messageKind) connect(_ *azure, credential azcore.TokenCredential, options azcore.ClientOptions) error {
	service, err := azqueue.NewServiceClient("https://"+deploy.Account+".queue.core.windows.net", credential, &azqueue.ClientOptions{ClientOptions: options})
	if err != nil {
		return err
	}
	k.client, k.found = service.NewQueueClient(deploy.Queue), nil
	return nil
}

func (k *messageKind) next(random *rand.Rand, _ *ledger, state string) (string, string) {
	if len(k.lives) > 0 && random.IntN(3) == 0 {
		// The one to change or delete goes to the front.
		i := random.IntN(len(k.lives))
		k.lives[0], k.lives[i] = k.lives[i], k.lives[0]
		if random.IntN(2) == 0 {
			return k.lives[0].key, absent
		}
		return k.lives[0].key, state
	}
	k.sent++
	return fmt.Sprintf("m%d", k.sent), state
}

func (k *messageKind) write(ctx context.Context, key, state string) error {
	if len(k.lives) == 0 || k.lives[0].key != key {
		sent, err := k.client.EnqueueMessage(ctx, key+" "+state, nil)
		if err == nil {
			k.lives = append(k.lives, live{key, *sent.Messages[0].MessageID, *sent.Messages[0].PopReceipt})
		}
		return err
	}
	at := k.lives[0]
	if state == absent {
		_, err := k.client.DeleteMessage(ctx, at.id, at.receipt, nil)
		k.lives = k.lives[1:]
		return err
	}
	updated, err := k.client.UpdateMessage(ctx, at.id, at.receipt, key+" "+state, &azqueue.UpdateMessageOptions{VisibilityTimeout: to.Ptr[int32](0)})
	if err == nil {
		k.lives[0].receipt = *updated.PopReceipt
	}
	return err
}

func (k *messageKind) read(ctx context.Context, key string) (string, error) {
	if k.found == nil {
		if err := k.receiveAll(ctx); err != nil {
			return "", err
		}
	}
	return k.found[key], nil
}

// receiveAll takes all messages out of sight, each of which must be there once.
func (k *messageKind) receiveAll(ctx context.Context) error {
	k.found = map[string]string{}
	for {
		got, err := k.client.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: to.Ptr[int32](32), VisibilityTimeout: to.Ptr[int32](600)})
		if err != nil || len(got.Messages) == 0 {
			return err
		}
		for _, m := range got.Messages {
			key, state, _ := strings.Cut(*m.MessageText, " ")
			if k.found[key] != "" {
				return fmt.Errorf("message %s is in the queue twice", key)
			}
			k.found[key] = state
		}
	}
}

// reset empties the queue. What was in it beside the ledger's is an error.
func (k *messageKind) reset(ctx context.Context, l *ledger) error {
	known := l.keys()
	for key := range k.found {
		if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+key+" ") {
			return fmt.Errorf("message %q was never sent, or was cleared", key)
		}
	}
	if _, err := k.client.ClearMessages(ctx, nil); err != nil {
		return err
	}
	l.forget()
	k.lives = nil
	return nil
}
