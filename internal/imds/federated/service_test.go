package federated

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/imds"
)

const (
	tenantID = "22222222-2222-2222-2222-222222222222"
	clientID = "3333abcd-3333-3333-3333-333333333333"
	objectID = "44444444-4444-4444-4444-444444444444"
	armID    = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u"
	vault    = "https://vault.azure.net"
)

// service is a token service behind a transport. Its tokens say whom and what
// they are for, and their number.
type service struct {
	mu     sync.Mutex
	asked  []asked
	answer func(n int, form url.Values) (status int, header http.Header, body string, err error) // nil: a token of an hour
	hold   chan struct{}                                                                         // answers wait for its end, if set
}

// asked is a request as it arrived.
type asked struct {
	url, host string
	form      url.Values
	header    http.Header
}

// RoundTrip implements http.RoundTripper.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.asked = append(s.asked, asked{r.Method + " " + r.URL.String(), r.Host, form, r.Header})
	n, answer, hold := len(s.asked), s.answer, s.hold
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	status, header, body := http.StatusOK, http.Header{}, granted(n, form, `"expires_in":3600`)
	if answer != nil {
		if status, header, body, err = answer(n, form); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: r}, nil
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// answers sets what is answered from now on.
func (s *service) answers(answer func(n int, form url.Values) (int, http.Header, string, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// granted is an answer with the n-th token.
func granted(n int, form url.Values, life string) string {
	claims, _ := json.Marshal(map[string]any{"oid": objectID, "xms_mirid": armID, "n": n, "aud": form.Get("scope"), "appid": form.Get("client_id")})
	return fmt.Sprintf(`{"token_type":"Bearer","access_token":"e30.%s.c2ln",%s}`, base64.RawURLEncoding.EncodeToString(claims), life)
}

// refusing answers with a refusal of Entra ID.
func refusing(status int, code, text string, header ...string) func(int, url.Values) (int, http.Header, string, error) {
	body, _ := json.Marshal(map[string]any{"error": code, "error_description": text})
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return func(int, url.Values) (int, http.Header, string, error) { return status, h, string(body), nil }
}

var errUnreachable = errors.New("unreachable")

func unreachable(int, url.Values) (int, http.Header, string, error) {
	return 0, nil, "", errUnreachable
}

// workbench is a client with its service, token file and log.
type workbench struct {
	*Client
	service *service
	file    string
	log     *bytes.Buffer
}

func newWorkbench(t *testing.T, change ...func(*Config)) *workbench {
	t.Helper()
	w := &workbench{service: new(service), file: filepath.Join(t.TempDir(), "token"), log: new(bytes.Buffer)}
	w.project(t, "assertion")
	config := Config{
		TenantID: tenantID, ClientID: clientID, TokenFile: w.file, Authority: "https://login.microsoftonline.com/", Transport: w.service,
		Jitter: func() float64 { return 0.5 }, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&config)
	}
	var err error
	if w.Client, err = New(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func (w *workbench) project(t *testing.T, token string) {
	t.Helper()
	if err := os.WriteFile(w.file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
}

// said is what an answer says, and its token of itself.
type said struct {
	N          int
	Aud, AppID string

	Access    string `json:"access_token"`
	ClientID  string `json:"client_id"`
	Resource  string
	ExpiresIn int `json:"expires_in,string"`
	ExpiresOn int `json:"expires_on,string"`
}

func (w *workbench) get(ctx context.Context, selector imds.Selector, resource string) (said, error) {
	answer, err := w.Answer(ctx, selector, resource)
	if err != nil {
		return said{}, err
	}
	return read(answer)
}

// read reads an answer as a client does.
func read(answer *imds.Answer) (out said, err error) {
	text, err := answer.JSON(time.Now())
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return out, err
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(out.Access, ".")[1])
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(payload, &out)
}

// refusal is the refusal that an error is.
func refusal(t *testing.T, err error) *imds.Error {
	t.Helper()
	var refused *imds.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return refused
}
