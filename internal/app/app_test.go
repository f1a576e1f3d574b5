package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/deploy"
	_ "github.com/aksess/aksess/internal/store/sqlite" // registers the driver that TestNewerSchema opens the file with
)

// transport hands requests to a local Azure without a socket.
type transport struct{ handler http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := r.Clone(r.Context())
	inner.RequestURI, inner.Host, inner.RemoteAddr = r.URL.RequestURI(), r.URL.Host, "203.0.113.10:443"
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	t.handler.ServeHTTP(recorder, inner)
	return recorder.Result(), nil
}

func open(t *testing.T, config app.Config) *app.App {
	t.Helper()
	a, err := app.Open(t.Context(), config)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return a
}

func client(a *app.App, now func() time.Time) *deploy.Client {
	d := a.Account.Deployer
	return &deploy.Client{
		HTTP: &http.Client{Transport: transport{a.Handler()}}, TenantID: a.Account.TenantID, ClientID: d.ClientID, ClientSecret: d.ClientSecret, Now: now,
	}
}

// keys are the public keys of the token service.
func keys(t *testing.T, a *app.App) string {
	t.Helper()
	var set json.RawMessage
	call := deploy.Call{Method: http.MethodGet, URL: "https://login.microsoftonline.com/" + a.Account.TenantID + "/discovery/v2.0/keys"}
	if err := client(a, nil).Do(t.Context(), call, &set); err != nil {
		t.Fatal(err)
	}
	return string(set)
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := app.Open(t.Context(), app.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	account := first.Account
	group := "/subscriptions/" + account.SubscriptionID + "/resourceGroups/rg"
	if err := client(first, nil).Manage(t.Context(), http.MethodPut, group, "2023-07-01", map[string]any{"location": "westeurope"}, nil); err != nil {
		t.Fatal(err)
	}
	token, err := client(first, nil).Token(t.Context(), deploy.ResourceManager)
	if err != nil {
		t.Fatal(err)
	}
	signed, authority := keys(t, first), first.CA().PEM()
	if err := first.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	second := open(t, app.Config{Dir: dir})
	if second.Account != account {
		t.Errorf("account: got %+v, want %+v", second.Account, account)
	}
	if got := keys(t, second); got != signed {
		t.Errorf("keys: got %s, want %s", got, signed)
	}
	if !bytes.Equal(second.CA().PEM(), authority) {
		t.Error("the certificate authority is another one")
	}
	var list struct{ Value []struct{ Name string } }
	call := deploy.Call{Method: http.MethodGet, URL: deploy.ResourceManager + strings.TrimSuffix(group, "/rg") + "?api-version=2023-07-01", Token: token}
	if err := client(second, nil).Do(t.Context(), call, &list); err != nil || len(list.Value) != 1 {
		t.Errorf("groups with the token of before: got %+v, %v", list, err)
	}
	for _, file := range []string{second.SecretFile(), dir} {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: got %v, %v, want it closed to others", file, info, err)
		}
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	first := open(t, app.Config{Dir: dir})
	_, err := app.Open(t.Context(), app.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second one: got %v, want an error that names %s", err, dir)
	}
	if _, err := client(first, nil).Token(t.Context(), deploy.ResourceManager); err != nil {
		t.Errorf("the first one afterwards: %v", err)
	}
}

func TestIDs(t *testing.T) {
	const tenant, other = "11111111-1111-1111-1111-11111111111A", "22222222-2222-2222-2222-222222222222"
	dir := t.TempDir()
	if _, err := app.Open(t.Context(), app.Config{Dir: dir, TenantID: "contoso"}); err == nil || !strings.Contains(err.Error(), `"contoso" is not a GUID`) {
		t.Errorf("a tenant that is no GUID: got %v", err)
	}
	a, err := app.Open(t.Context(), app.Config{Dir: dir, TenantID: tenant, SubscriptionID: other})
	if err != nil {
		t.Fatal(err)
	}
	if a.Account.TenantID != strings.ToLower(tenant) || a.Account.SubscriptionID != other {
		t.Errorf("account: got %+v", a.Account)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Open(t.Context(), app.Config{Dir: dir, TenantID: other}); err == nil || !strings.Contains(err.Error(), "is of tenant "+strings.ToLower(tenant)) {
		t.Errorf("another tenant: got %v", err)
	}
	open(t, app.Config{Dir: dir, TenantID: tenant})
}

// TestKilledAtFirstStart gives up after each write of a first start; the next
// start completes it.
func TestKilledAtFirstStart(t *testing.T) {
	for n := int64(1); ; n++ {
		dir := t.TempDir()
		var ids atomic.Int64
		ctx, kill := context.WithCancel(t.Context())
		killed, err := app.Open(ctx, app.Config{Dir: dir, NewID: func() string {
			if ids.Add(1) == n {
				kill()
			}
			return uuid.NewString()
		}})
		kill()
		if err == nil {
			if err := killed.Close(); err != nil {
				t.Fatal(err)
			}
			if n < 5 {
				t.Errorf("the first start made %d ids", ids.Load())
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("killed at id %d: %v", n, err)
		}
		next, err := app.Open(t.Context(), app.Config{Dir: dir})
		if err != nil {
			t.Fatalf("the start after one that was killed at id %d: %v", n, err)
		}
		if _, err := client(next, nil).Token(t.Context(), deploy.ResourceManager); err != nil {
			t.Errorf("killed at id %d: %v", n, err)
		}
		if tenants, err := next.Directory.Tenants(t.Context()); err != nil || len(tenants) != 1 {
			t.Errorf("killed at id %d: tenants %v, %v", n, tenants, err)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLostSecret(t *testing.T) {
	dir := t.TempDir()
	first, err := app.Open(t.Context(), app.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(first.SecretFile(), []byte(`{"clientId":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Open(t.Context(), app.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "remove the file to get a new one") {
		t.Errorf("the secret of another state: got %v", err)
	}
	if err := os.Remove(first.SecretFile()); err != nil {
		t.Fatal(err)
	}
	second := open(t, app.Config{Dir: dir})
	if second.Account.Deployer.ClientSecret == first.Account.Deployer.ClientSecret {
		t.Error("the lost secret came back")
	}
	if _, err := client(second, nil).Token(t.Context(), deploy.ResourceManager); err != nil {
		t.Errorf("with the new secret: %v", err)
	}
}

func TestNewerSchema(t *testing.T) {
	dir := t.TempDir()
	first, err := app.Open(t.Context(), app.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "aksess.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "PRAGMA user_version = 999"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Open(t.Context(), app.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "999") {
		t.Errorf("state of a newer schema: got %v", err)
	}
}

// TestFailedStartLeavesNothing: what was opened before the failure is closed.
func TestFailedStartLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, app.DeployerFile+".new", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Open(t.Context(), app.Config{Dir: dir}); err == nil {
		t.Fatal("the secret's file cannot be written: got no error")
	}
	if err := os.RemoveAll(filepath.Join(dir, app.DeployerFile+".new")); err != nil {
		t.Fatal(err)
	}
	open(t, app.Config{Dir: dir}) // the lock was released
}

func TestPortTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // of the test
	address := listener.Addr().String()
	a := open(t, app.Config{Listen: address})
	if err := a.Start(t.Context()); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("a taken port: got %v, want an error that names %s", err, address)
	}
	remote := open(t, app.Config{Listen: "0.0.0.0:0"})
	if err := remote.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "other machines") {
		t.Errorf("an address that others reach: got %v", err)
	}
}

func TestStartAndClose(t *testing.T) {
	a, err := app.Open(t.Context(), app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err == nil {
		t.Error("a second start: got no error")
	}
	response, err := http.Get(a.ProxyURL() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || response.Body.Close() != nil || string(body) != "ok\n" || response.Header.Get("Aksess-Tenant") != a.Account.TenantID {
		t.Errorf("healthz: got %q %v, %v", body, response.Header, err)
	}
	files, proxy := a.Files(), a.ProxyURL()
	if err := a.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if err := a.Wait(); err != nil {
		t.Errorf("waiting afterwards: %v", err)
	}
	if _, err := os.Stat(files); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of an ephemeral one stays: %v", err)
	}
	if _, err := http.Get(proxy + "/healthz"); err == nil { //nolint:bodyclose // there is none
		t.Error("it answers after Close")
	}
}

// TestPanic: a handler that panics is one 500, and one line in the log.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	events := 0
	a := open(t, app.Config{
		Log:     slog.New(slog.NewTextHandler(&log, nil)),
		Observe: func(e azapi.Event) { events++ },
	})
	for range 2 {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodPost, "https://login.microsoftonline.com/"+a.Account.TenantID+"/oauth2/v2.0/token", panicking{})
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		a.Handler().ServeHTTP(recorder, request)
		if recorder.Code != http.StatusInternalServerError || strings.Contains(recorder.Body.String(), "canary") {
			t.Errorf("got %d %s, want 500 that tells nothing", recorder.Code, recorder.Body)
		}
	}
	if events != 2 || strings.Count(log.String(), "handler panicked") != 2 {
		t.Errorf("got %d events and the log %s", events, log.String())
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("canary") }

// TestMovedClock: the deployer's client gets a new token when the local Azure's
// clock says that the old one has expired.
func TestMovedClock(t *testing.T) {
	var moved atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(moved.Load())) }
	a := open(t, app.Config{Now: now})
	c := client(a, now)
	for range 2 {
		if err := c.Manage(t.Context(), http.MethodGet, "/subscriptions/"+a.Account.SubscriptionID, "2022-12-01", nil, nil); err != nil {
			t.Errorf("after %s: %v", time.Duration(moved.Load()), err)
		}
		moved.Add(int64(48 * time.Hour))
	}
}
