package entra

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store/memory"
)

func TestParseForm(t *testing.T) {
	tests := []struct {
		name, body string
		want       form
	}{
		{"empty", "", form{}},
		{"plus_and_escape", "scope=a+b%20c&x=%2F", form{"scope": "a b c", "x": "/"}},
		{"no_value", "a&b=", form{"a": "", "b": ""}},
		{"semicolon", "x-client-last-telemetry=5|0;1&a=b;c", form{"x-client-last-telemetry": "5|0;1", "a": "b;c"}},
		{"equals_in_value", "a=b=c", form{"a": "b=c"}},
		{"empty_pairs", "&&a=b&", form{"a": "b"}},
		{"escaped_name", "%61=b", form{"a": "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseForm(test.body)
			if err != nil || !maps.Equal(got, test.want) {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
}

func TestBasicAuthentication(t *testing.T) {
	for name, test := range map[string]struct {
		header string
		have   form
		want   form // nil: refused
	}{
		"none":          {"", form{"client_id": "a"}, form{"client_id": "a"}},
		"bearer":        {"Bearer x", form{}, form{}},
		"good":          {"Basic YTpi", form{}, form{"client_id": "a", "client_secret": "b"}},
		"lower_case":    {"basic YTpi", form{"client_id": "A"}, form{"client_id": "a", "client_secret": "b"}},
		"escaped":       {"Basic YTolMmI=", form{}, form{"client_id": "a", "client_secret": "+"}},
		"no_colon":      {"Basic YQ==", form{}, nil},
		"not_base64":    {"Basic !", form{}, nil},
		"bad_escape":    {"Basic YTolenc=", form{}, nil},
		"two_secrets":   {"Basic YTpi", form{"client_secret": "c"}, nil},
		"and_assertion": {"Basic YTpi", form{"client_assertion": "c"}, nil},
		"two_clients":   {"Basic YTpi", form{"client_id": "c"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.have.mergeBasic(test.header)
			if (err == nil) != (test.want != nil) || err == nil && !maps.Equal(test.have, test.want) {
				t.Errorf("got %v, %v, want %v", test.have, err, test.want)
			}
		})
	}
}

// FuzzParseForm compares with net/url where the two must agree.
func FuzzParseForm(f *testing.F) {
	f.Add("grant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net%2F.default+openid&client_id=22222222-2222-2222-2222-222222222222")
	f.Add("client_id=a&client_id=b")
	f.Add("a=%zz&b=%ff&;=1")
	f.Fuzz(func(t *testing.T, body string) {
		got, err := parseForm(body)
		want, wantErr := url.ParseQuery(strings.ReplaceAll(body, ";", "%3B"))
		if err != nil {
			return // stricter: duplicates, UTF-8, number
		}
		if wantErr != nil {
			t.Fatalf("parseForm(%q) = %v, but net/url: %v", body, got, wantErr)
		}
		if len(got) != len(want) {
			t.Fatalf("parseForm(%q) = %v, net/url has %v", body, got, want)
		}
		for name, value := range got {
			if len(want[name]) != 1 || want[name][0] != value {
				t.Errorf("parseForm(%q)[%q] = %q, net/url has %q", body, name, value, want[name])
			}
		}
	})
}

// FuzzTokenRequest sends any body: the answer is always JSON, and never a token
// unless the body has the secret.
func FuzzTokenRequest(f *testing.F) {
	b := newWorkbench(f, nil)
	f.Add(b.secret("wrong").Encode(), "")
	f.Add(b.federated(b.mint(nil)+"x").Encode(), "Basic YTpi")
	f.Add("grant_type=client_credentials&client_id=%00&scope=%0d%0a/.default&claims={", "Basic")
	f.Fuzz(func(t *testing.T, body, authorization string) {
		request := httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader(body))
		request.Header["Authorization"] = []string{authorization}
		got := (&workbench{t: t, server: b.server}).do(request)
		if got.status == http.StatusOK || got.status >= 500 || got.Error == "" || strings.ContainsAny(got.Description, "\r\n") {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}

// TestNothingSecretIsLogged greps the log of good and bad requests for what they carried.
func TestNothingSecretIsLogged(t *testing.T) {
	b := newWorkbench(t, nil)
	var secrets []string
	send := func(form url.Values) {
		for _, name := range []string{"client_secret", "client_assertion"} {
			if value := form.Get(name); value != "" {
				secrets = append(secrets, value)
				if parts := strings.Split(value, "."); len(parts) == 3 && len(parts[2]) > 16 {
					secrets = append(secrets, parts[1], parts[2])
				}
			}
		}
		if token := b.exchange(form).AccessToken; token != "" {
			secrets = append(secrets, token, token[strings.LastIndexByte(token, '.')+1:])
			if _, err := b.service.Authenticator().Authenticate(t.Context(), flip(token)); err == nil {
				t.Error("a forged token was accepted")
			}
		}
	}
	good := b.mint(nil)
	send(b.federated(good))
	send(b.federated(flip(good)))
	send(b.federated(good[:len(good)-4]))
	send(b.federated("canary-assertion-not-a-token"))
	send(b.federated(b.mint(func(r *issuer.TokenRequest) { r.Namespace = "other" })))
	send(b.secret(guardSecret))
	send(b.secret("canary-wrong-secret"))
	send(b.certified(b.ownClaims(nil)))
	send(b.certified(b.ownClaims(map[string]any{"aud": "x"})))
	b.service.options.Directory = directory.New(failingStore{b.store}, directory.Options{})
	send(b.secret(guardSecret))
	request := httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader("grant_type=client_credentials"))
	request.SetBasicAuth(b.app.AppID, "canary-basic-secret")
	b.do(request)
	secrets = append(secrets, "canary-basic-secret", "PRIVATE KEY")

	if b.log.Len() == 0 {
		t.Fatal("nothing was logged")
	}
	for _, secret := range secrets {
		if bytes.Contains(b.log.Bytes(), []byte(secret)) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// TestFirstStart: while the first key is being made everything else is answered,
// and a token request waits for it.
func TestFirstStart(t *testing.T) {
	hold := make(chan struct{})
	b := newWorkbench(t, nil)
	fresh := memory.New()
	pool := issuer.NewKeyPool(issuer.PoolOptions{Store: fresh, NewID: b.service.options.NewID, Log: b.service.options.Log, Generate: func() (*jose.SigningKey, error) {
		<-hold
		return jose.NewSigningKey("")
	}})
	t.Cleanup(pool.Close)
	o := b.service.options
	o.Store, o.Pool = fresh, pool
	*b.service = *New(o)

	metadata(t, b.get("https://login.microsoftonline.com/"+tenantID+"/v2.0/.well-known/openid-configuration"))
	wantCode(t, b.exchange(b.secret("wrong")), "AADSTS7000215")
	done := make(chan reply)
	go func() { done <- b.exchange(b.secret(guardSecret)) }()
	select {
	case got := <-done:
		t.Fatalf("got %d %s before there is a key", got.status, got.body)
	default:
	}
	close(hold)
	b.token(<-done)
}
