package azapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/fault"
)

const vaultID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/toy"

var (
	toyNotFound = &fault.Kind{Code: "ToyNotFound", Inner: "Deep", Status: http.StatusNotFound, Format: "no toy %s"}
	toyRefused  = &fault.Kind{Code: "ToyRefused", Status: http.StatusForbidden, Format: "refused at stage %d"}
	toyMethod   = &fault.Kind{Code: "ToyMethod", Status: http.StatusMethodNotAllowed, Format: "allowed: %s"}
	toyThrottle = &fault.Kind{Code: "ToyThrottle", Status: http.StatusTooManyRequests, Format: "slow down"}
)

// toy is a service on *.toy.example whose resource "toy" is a vault.
func toy() *azapi.Service {
	read := azapi.Data("Microsoft.KeyVault/vaults/secrets/getSecret/action")
	return &azapi.Service{
		Name: "toy", Hosts: []string{"*.toy.example", "toys.example"}, Version: azapi.VersionQuery, Audiences: []string{"https://toys.example", "{host}"}, Selectors: []string{"comp"},
		Target: func(_ context.Context, r *azapi.Request) (azapi.Target, error) {
			switch r.ResourceName() {
			case "none":
				return azapi.Target{}, toyNotFound.New("none")
			case "walled":
				return azapi.Target{ID: vaultID, Network: access.Network{DefaultDeny: true}}, nil
			}
			return azapi.Target{ID: vaultID, Name: "toy"}, nil
		},
		Refuse: func(r *azapi.Request, refusal azapi.Refusal) error {
			if refusal.Stage == azapi.StageNoOperation && len(refusal.Allow) > 0 {
				return toyMethod.New(strings.Join(refusal.Allow, " "))
			}
			return toyRefused.New(int(refusal.Stage)).SetHeader("X-Stage", fmt.Sprint(int(refusal.Stage)))
		},
		Headers: func(h http.Header, _ *azapi.Request) { h.Set("X-Toy", "yes") },
		Operations: []azapi.Operation{
			{Name: "Get", Method: "GET", Pattern: "/items/{name}", Action: read, Handle: echo},
			{Name: "GetLiteral", Method: "GET", Pattern: "/items/special", Action: read, Handle: echo},
			{Name: "GetMeta", Method: "GET", Pattern: "/items/{name}", Query: map[string]string{"comp": "meta"}, Action: read, Handle: echo},
			{Name: "GetAny", Method: "GET", Pattern: "/any", Query: map[string]string{"comp": "*"}, Action: read, Handle: echo},
			{Name: "GetBlob", Method: "GET", Pattern: "/box/{box}/{blob...}", Action: read, Handle: echo},
			{Name: "GetAbove", Method: "GET", Pattern: "/{scope...}/providers/Toy/{name}", Action: read, Handle: echo},
			{Name: "GetBetween", Method: "GET", Pattern: "/{scope...}/between/{rest...}", Action: read, Handle: echo},
			{Name: "Put", Method: "PUT", Pattern: "/items/{name}", Action: azapi.Data("Microsoft.KeyVault/vaults/secrets/setSecret/action"), MaxBody: 64, Handle: put},
			{Name: "Stream", Method: "PUT", Pattern: "/stream", Action: azapi.Data("Microsoft.KeyVault/vaults/secrets/setSecret/action"), MaxBody: 64, Stream: true, Handle: put},
			{Name: "Hello", Method: "GET", Pattern: "/hello", Action: azapi.Anonymous(), Handle: echo},
			{Name: "Own", Method: "GET", Pattern: "/own", Action: azapi.Authenticated("a toy's own list"), Handle: echo},
			{Name: "Root", Method: "GET", Pattern: "/", Action: azapi.Anonymous(), Handle: echo},
			{Name: "Fail", Method: "GET", Pattern: "/fail/{how}", Action: azapi.Anonymous(), Handle: fail},
		},
	}
}

// echo answers with the operation and its parameters.
func echo(w http.ResponseWriter, r *azapi.Request) error {
	out := map[string]string{"operation": r.Operation.Name, "by": r.Verdict.By, "oid": r.Caller.ObjectID, "version": r.Version}
	for _, name := range []string{"name", "box", "blob", "scope", "rest"} {
		if value := r.Param(name); value != "" {
			out[name] = value
		}
	}
	return azapi.WriteJSON(w, http.StatusOK, out)
}

func put(w http.ResponseWriter, r *azapi.Request) error {
	var body struct {
		Count int `json:"count"`
	}
	if err := r.DecodeJSON(&body); err != nil {
		var bad *azapi.ErrBody
		if !errors.As(err, &bad) {
			return err
		}
		return azapi.WriteJSON(w, http.StatusBadRequest, map[string]any{"tooLarge": bad.TooLarge, "reason": bad.Reason})
	}
	return azapi.WriteJSON(w, http.StatusOK, body)
}

func fail(w http.ResponseWriter, r *azapi.Request) error {
	switch r.Param("how") {
	case "panic":
		panic("secret inside")
	case "late-panic", "late-error":
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "half") // the client reads it or not
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		if r.Param("how") == "late-panic" {
			panic("late")
		}
		return errors.New("late")
	case "coded":
		return fmt.Errorf("wrapped: %w", toyNotFound.New("here").SetHeader("X-More", "1"))
	case "throttle":
		return toyThrottle.New()
	default:
		return errors.New("secret inside")
	}
}

// gate knows the tokens "good", "poor" and "elsewhere".
type gate struct{}

func (gate) Authenticate(_ context.Context, token string) (azapi.Caller, error) {
	switch token {
	case "good", "poor":
		return azapi.Caller{Principal: access.Principal{ObjectID: token}, Audience: "https://toys.example/"}, nil
	case "host":
		return azapi.Caller{Principal: access.Principal{ObjectID: "good"}, Audience: "https://a.toy.example"}, nil
	case "elsewhere":
		return azapi.Caller{Principal: access.Principal{ObjectID: "good"}, Audience: "https://other.example"}, nil
	}
	return azapi.Caller{}, errors.New("unknown token")
}

func (gate) Grants(_ context.Context, p access.Principal) ([]access.Grant, error) {
	switch p.ObjectID {
	case "good":
		role, _ := access.BuiltinRole("Key Vault Secrets Officer")
		return []access.Grant{{Role: role, Assignment: access.Assignment{Scope: vaultID, PrincipalID: "good"}}}, nil
	case "broken":
		return nil, errors.New("no grants today")
	}
	return nil, nil
}

type world struct {
	*httptest.Server
	events *events
}

// events keeps what the pipeline observed.
type events struct {
	mu  sync.Mutex
	all []azapi.Event
}

func (e *events) add(event azapi.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) list() []azapi.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.all
}

func config(seen *events) azapi.Config {
	return azapi.Config{
		Authenticator: gate{}, Grants: gate{}, Roles: access.BuiltinRoles,
		Now:   func() time.Time { return time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC) },
		NewID: func() string { return "00000000-0000-4000-8000-000000000001" },
		Log:   slog.New(slog.DiscardHandler), Observe: seen.add,
	}
}

func start(t testing.TB, services ...*azapi.Service) world {
	t.Helper()
	seen := new(events)
	server, err := azapi.New(services, config(seen))
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	return world{listener, seen}
}

// do sends a request whose URL is HOST/path?query.
func (w world) do(t testing.TB, method, url, token, body string) (*http.Response, string) {
	t.Helper()
	host, path, _ := strings.Cut(url, "/")
	request, err := http.NewRequest(method, w.URL+"/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Header.Set("x-ms-client-request-id", "mine")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return response, "broken: " + err.Error()
	}
	return response, string(text)
}
