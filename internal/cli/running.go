package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/gateway"
)

// running describes a local Azure that serves, for other commands to find. It
// is kept in the state folder while `up` runs. It holds no secret.
type running struct {
	PID            int    `json:"pid"`
	ProxyURL       string `json:"proxyUrl"`
	CAFile         string `json:"caFile"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
}

const (
	runningFile    = "up.json"
	trustStoreFile = "truststore.p12"
)

// errNotRunning: no local Azure serves from that state folder.
var errNotRunning = errors.New("no local Azure is running")

// findRunning returns the local Azure that serves from the folder, if it answers.
func findRunning(ctx context.Context, dir string) (*running, error) {
	content, err := os.ReadFile(filepath.Join(dir, runningFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNotRunning
	}
	if err != nil {
		return nil, fmt.Errorf("looking for a running local Azure: %w", err)
	}
	var r running
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, runningFile), err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.ProxyURL+"/healthz", nil)
	if err != nil {
		return nil, errNotRunning
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // never through a proxy
	response, err := client.Do(request)
	if err != nil {
		return nil, errNotRunning // it was killed: its file stayed
	}
	response.Body.Close()
	if response.Header.Get("Aksess-Tenant") != r.TenantID {
		return nil, errNotRunning // another program has the port now
	}
	return &r, nil
}

// answers reports whether identities of that tenant are this local Azure's. A
// service account that names no tenant is taken for its own.
func (r *running) answers(tenantID string) bool {
	return r != nil && (tenantID == "" || strings.EqualFold(tenantID, r.TenantID))
}

// announce writes the file that findRunning reads into the local Azure's own
// folder and into others that are to lead to it. remove takes the files away,
// unless another local Azure has written its own meanwhile.
func announce(a *app.App, others ...string) (r *running, remove func(), err error) {
	r = &running{
		PID: os.Getpid(), ProxyURL: a.ProxyURL(), CAFile: a.CAFile(),
		TenantID: a.Account.TenantID, SubscriptionID: a.Account.SubscriptionID,
	}
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, nil, err
	}
	var written []string
	remove = func() {
		for _, path := range written {
			if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, content) {
				_ = os.Remove(path)
			}
		}
	}
	for _, dir := range append([]string{a.Files()}, others...) {
		path := filepath.Join(dir, runningFile)
		err := os.WriteFile(path+".new", content, 0o600)
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			remove()
			return nil, nil, fmt.Errorf("announcing the local Azure: %w", err)
		}
		written = append(written, path)
	}
	return r, remove, nil
}

// borrow returns the running local Azure, or a private ephemeral one that ends with release.
func (c *common) borrow(ctx context.Context, log *slog.Logger) (r *running, release func(), err error) {
	dir, err := c.state()
	if err != nil {
		return nil, nil, err
	}
	r, err = findRunning(ctx, dir)
	if err == nil {
		return r, func() {}, nil
	}
	if !errors.Is(err, errNotRunning) {
		return nil, nil, err
	}
	a, err := app.Open(ctx, app.Config{Log: log})
	if err != nil {
		return nil, nil, err
	}
	if err := a.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, nil, errors.Join(err, a.Close())
	}
	r, remove, err := announce(a)
	if err != nil {
		return nil, nil, errors.Join(err, a.Close())
	}
	release = func() {
		remove()
		if err := a.Close(); err != nil {
			log.Error("stopping the local Azure", "error", err)
		}
	}
	return r, release, nil
}

// files are the files that a client's environment points at; the Java trust
// store is written when it is first asked for.
func (r *running) files() (clientFiles, error) {
	store := filepath.Join(filepath.Dir(r.CAFile), trustStoreFile)
	if err := r.writeTrustStore(store); err != nil {
		return clientFiles{}, err
	}
	return clientFiles{proxyURL: r.ProxyURL, caFile: r.CAFile, trustStore: store, password: gateway.TrustStorePassword}, nil
}

func (r *running) writeTrustStore(path string) error {
	made, err := os.Stat(path)
	if err == nil {
		if from, err := os.Stat(r.CAFile); err == nil && !made.ModTime().Before(from.ModTime()) {
			return nil
		}
	}
	certs, err := gateway.SystemRoots(r.CAFile)
	if err != nil {
		return fmt.Errorf("reading the local Azure's certificate: %w", err)
	}
	return gateway.WriteTrustStore(path, certs...)
}
