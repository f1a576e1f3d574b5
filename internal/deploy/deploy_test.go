package deploy

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// azure answers requests and remembers them.
type azure struct {
	requests []*http.Request
	bodies   []string
	answer   func(r *http.Request) (status int, body string)
}

func (a *azure) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	a.requests, a.bodies = append(a.requests, r), append(a.bodies, string(body))
	status, text := a.answer(r)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func tokensAndGroups(r *http.Request) (int, string) {
	if r.URL.Host == "login.microsoftonline.com" {
		return 200, `{"access_token":"the-token","expires_in":3600}`
	}
	return 200, `{"name":"rg"}`
}

func TestManage(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := &azure{answer: tokensAndGroups}
	c := &Client{HTTP: &http.Client{Transport: a}, TenantID: "tenant", ClientID: "client", ClientSecret: "s3cret", Now: func() time.Time { return now }}
	var group struct{ Name string }
	for range 2 {
		if err := c.Manage(t.Context(), http.MethodPut, "/subscriptions/s/resourceGroups/rg", "2023-07-01", map[string]any{"location": "westeurope"}, &group); err != nil {
			t.Fatal(err)
		}
	}
	if group.Name != "rg" {
		t.Errorf("got %q, want rg", group.Name)
	}
	if len(a.requests) != 3 {
		t.Fatalf("got %d requests, want one for the token and two to Resource Manager", len(a.requests))
	}
	form, err := url.ParseQuery(a.bodies[0])
	if err != nil || form.Get("scope") != "https://management.azure.com/.default" || form.Get("client_secret") != "s3cret" || form.Get("grant_type") != "client_credentials" {
		t.Errorf("got the form %q, %v", a.bodies[0], err)
	}
	put := a.requests[1]
	if put.URL.String() != "https://management.azure.com/subscriptions/s/resourceGroups/rg?api-version=2023-07-01" ||
		put.Header.Get("Authorization") != "Bearer the-token" || a.bodies[1] != `{"location":"westeurope"}` {
		t.Errorf("got %s with %v and %s", put.URL, put.Header, a.bodies[1])
	}
	now = now.Add(59*time.Minute + time.Second)
	if _, err := c.Token(t.Context(), ResourceManager); err != nil || len(a.requests) != 4 {
		t.Errorf("got %d requests, %v, want a new token in the last minute of the old one", len(a.requests), err)
	}
}

func TestRefusal(t *testing.T) {
	a := &azure{answer: func(*http.Request) (int, string) { return 403, `{"error":{"code":"AuthorizationFailed"}}` }}
	c := &Client{HTTP: &http.Client{Transport: a}, Now: time.Now}
	err := c.Do(t.Context(), Call{Method: http.MethodGet, URL: "https://management.azure.com/x?secret=1", Token: "t0ken"}, nil)
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != 403 || !strings.Contains(refused.Body, "AuthorizationFailed") {
		t.Fatalf("got %v, want the refusal", err)
	}
	if text := err.Error(); strings.Contains(text, "t0ken") || strings.Contains(text, "secret=1") {
		t.Errorf("got %q, want neither token nor query in it", text)
	}
}

func TestBodies(t *testing.T) {
	for name, test := range map[string]struct {
		body              any
		text, contentType string
	}{
		"none": {nil, "", "application/json"},
		"text": {"plain", "plain", "application/octet-stream"},
		"form": {url.Values{"a": {"b c"}}, "a=b+c", "application/x-www-form-urlencoded"},
		"json": {map[string]int{"n": 1}, `{"n":1}`, "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &azure{answer: func(*http.Request) (int, string) { return 200, "" }}
			c := &Client{HTTP: &http.Client{Transport: a}, Now: time.Now}
			if err := c.Do(t.Context(), Call{Method: http.MethodPost, URL: "https://x.vault.azure.net/", Body: test.body}, nil); err != nil {
				t.Fatal(err)
			}
			if got := a.requests[0].Header.Get("Content-Type"); a.bodies[0] != test.text || got != test.contentType {
				t.Errorf("got %q as %s, want %q as %s", a.bodies[0], got, test.text, test.contentType)
			}
		})
	}
}
