package proxy

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aksess/aksess/internal/imds"
	"github.com/aksess/aksess/internal/imds/federated"
	"github.com/aksess/aksess/internal/imds/node"
)

// TestPanicIsSeen: a request that makes the server panic ends its own connection
// only, and the log says so at the level that it has as a rule.
func TestPanicIsSeen(t *testing.T) {
	var log logged
	panics := func(ctx context.Context, s imds.Selector, resource string) (*imds.Answer, error) {
		if resource == "r" {
			panic("of a test")
		}
		return tokens(ctx, s, resource)
	}
	address := startServer(t, Config{Tokens: panics, Node: node.New(netip.MustParseAddrPort("127.0.0.1:1"), nil, nil), Log: log.logger(slog.LevelInfo)})
	if answer, err := exchange(address, goodHead+"\r\n\r\n"); err != nil || answer != "" {
		t.Errorf("got %q %v, want no answer", answer, err)
	}
	if status, body, _ := get(t, address, "localhost", goodTarget+"2"); status != 200 || !strings.Contains(body, podToken) {
		t.Errorf("got %d %s, want the token of the next request", status, body)
	}
	if text := log.String(); !strings.Contains(text, "of a test") {
		t.Errorf("got the log %q, want the panic in it", text)
	}
}

// logged is a log that is read while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level}))
}

// Write implements io.Writer.
func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// What must stay inside.
const (
	canaryAssertion = "CANARY-ASSERTION"
	canaryToken     = "CANARY-TOKEN"
)

// issuing is a token service that has one token, and none for the resource "no".
type issuing struct{}

// RoundTrip implements http.RoundTripper.
func (issuing) RoundTrip(r *http.Request) (*http.Response, error) {
	form, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status, body := http.StatusOK, `{"token_type":"Bearer","expires_in":3600,"access_token":"`+canaryToken+`"}`
	if bytes.Contains(form, []byte("scope=no%2F")) {
		status, body = http.StatusUnauthorized, `{"error":"invalid_client","error_description":"AADSTS700213"}`
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// TestNothingSecretGetsOut: after good requests, refused ones and all the hostile
// ones neither the log, at its most talkative, nor the metrics nor any refusal has
// a token, the assertion or the secret of App Service's protocol in it.
func TestNothingSecretGetsOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(canaryAssertion), 0o600); err != nil {
		t.Fatal(err)
	}
	var log logged
	client, err := federated.New(federated.Config{
		TenantID: podClient, ClientID: podClient, TokenFile: file, Authority: "https://login.example/", Transport: issuing{}, Log: log.logger(slog.LevelDebug),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	m := startMachine(t)
	address := startServer(t, Config{
		Tokens: client.Answer, Stats: client.Stats, Secret: secret, Log: log.logger(slog.LevelDebug), Node: node.New(m.address, node.DefaultRules(), log.logger(slog.LevelDebug)),
	})
	if _, body, _ := get(t, address, "169.254.169.254", goodTarget); !strings.Contains(body, canaryToken) {
		t.Fatalf("got %s, want the token", body)
	}
	said := map[string]string{}
	_, said["the refusal"], _ = get(t, address, "169.254.169.254", strings.TrimSuffix(goodTarget, "r")+"no")
	_, said["the refusal of App Service's protocol"], _ = get(t, address, "localhost", "/msi/token?api-version=2019-08-01&resource=no", "X-Identity-Header", secret)
	_, said["the refusal of a wrong secret"], _ = get(t, address, "localhost", "/msi/token?api-version=2019-08-01&resource=r", "X-Identity-Header", "other")
	sendAll(t, address, hostile(t), func(name, _, answer string) {
		if strings.Contains(answer, canaryToken) || strings.Contains(answer, canaryAssertion) || strings.Contains(answer, secret) {
			t.Errorf("%s: got a secret in %q", name, answer)
		}
	})
	_, said["the metrics"], _ = get(t, address, "localhost", "/metrics")
	said["the log"] = log.String()
	if !strings.Contains(said["the log"], "got a token") || !strings.Contains(said["the log"], "AADSTS700213") || !strings.Contains(said["the metrics"], `tokens_total{result="refused"}`) {
		t.Errorf("got %v, want the log and the metrics to say something", said)
	}
	for what, text := range said {
		for _, canary := range []string{canaryToken, canaryAssertion, secret} {
			if strings.Contains(text, canary) {
				t.Errorf("%s: got %s in %s", what, canary, text)
			}
		}
	}
}
