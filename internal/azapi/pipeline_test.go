package azapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
)

const version = "api-version=2025-01-01"

func TestAdmission(t *testing.T) {
	w := start(t, toy())
	cases := []struct {
		name, method, url, token string
		status                   int
		code                     string // of the error, or the operation
	}{
		{"allowed", "GET", "a.toy.example/items/x?" + version, "good", 200, "Get"},
		{"host_audience", "GET", "a.toy.example/items/x?" + version, "host", 200, "Get"},
		{"host_audience_of_another", "GET", "b.toy.example/items/x?" + version, "host", 403, "ToyRefused"},
		{"host_in_another_case_and_port", "GET", "A.Toy.Example:8443/items/x?" + version, "good", 200, "Get"},
		{"exact_host", "GET", "toys.example/items/x?" + version, "good", 200, "Get"},
		{"deeper_host", "GET", "a.b.toy.example/items/x?" + version, "good", 200, "Get"},
		{"no_host", "GET", "toy.example/items/x?" + version, "good", 421, ""},
		{"other_host", "GET", "eviltoy.example/items/x", "good", 421, ""},
		{"no_target", "GET", "none.toy.example/items/x?" + version, "", 404, "ToyNotFound"},
		{"no_token", "GET", "a.toy.example/items/x?" + version, "", 403, "ToyRefused"},
		{"no_token_before_no_operation", "GET", "a.toy.example/nothing", "", 403, "ToyRefused"},
		{"bad_token", "GET", "a.toy.example/items/x?" + version, "bad", 403, "ToyRefused"},
		{"audience", "GET", "a.toy.example/items/x?" + version, "elsewhere", 403, "ToyRefused"},
		{"firewall", "GET", "walled.toy.example/items/x?" + version, "good", 403, "ToyRefused"},
		{"firewall_before_role", "GET", "walled.toy.example/own?" + version, "poor", 403, "ToyRefused"},
		{"no_role", "GET", "a.toy.example/items/x?" + version, "poor", 403, "ToyRefused"},
		{"no_version", "GET", "a.toy.example/items/x", "good", 403, "ToyRefused"},
		{"bad_version", "GET", "a.toy.example/items/x?api-version=new", "good", 403, "ToyRefused"},
		{"preview_version", "GET", "a.toy.example/items/x?API-Version=7.6-preview.2", "good", 200, "Get"},
		{"method", "DELETE", "a.toy.example/items/x?" + version, "good", 405, "ToyMethod"},
		{"path", "GET", "a.toy.example/nothing/at/all?" + version, "good", 403, "ToyRefused"},
		{"anonymous", "GET", "a.toy.example/hello", "", 200, "Hello"},
		{"anonymous_with_a_bad_token", "GET", "a.toy.example/hello", "bad", 200, "Hello"},
		// The rest of an unreadable query may have named another operation: GetMeta.
		{"unreadable_query", "GET", "a.toy.example/items/x?comp=meta&x=%zz&" + version, "good", 400, "InvalidUri"},
		{"unreadable_query_without_a_token", "GET", "a.toy.example/items/x?comp=meta&x=%zz&" + version, "", 400, "InvalidUri"},
		{"too_many_parameters", "GET", "a.toy.example/items/x?comp=meta&" + version + strings.Repeat("&a", 20_000), "good", 400, "InvalidUri"},
		{"semicolon_is_a_letter", "GET", "a.toy.example/items/x?comp=meta&x=a;b&" + version, "good", 200, "GetMeta"},
		{"own", "GET", "a.toy.example/own?" + version, "poor", 200, "Own"},
		{"own_needs_a_token", "GET", "a.toy.example/own?" + version, "", 403, "ToyRefused"},
	}
	stages := map[string]azapi.Stage{
		"no_token": azapi.StageNoToken, "no_token_before_no_operation": azapi.StageNoToken, "bad_token": azapi.StageBadToken, "audience": azapi.StageAudience,
		"host_audience_of_another": azapi.StageAudience, "firewall": azapi.StageFirewall, "firewall_before_role": azapi.StageFirewall, "no_role": azapi.StageAccess,
		"no_version": azapi.StageVersion, "bad_version": azapi.StageVersion, "path": azapi.StageNoOperation, "own_needs_a_token": azapi.StageNoToken,
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			response, body := w.do(t, c.method, c.url, c.token, "")
			if response.StatusCode != c.status || !strings.Contains(body, `"`+c.code+`"`) && c.code != "" {
				t.Fatalf("%s %s as %q: got %d %s, want %d %s", c.method, c.url, c.token, response.StatusCode, body, c.status, c.code)
			}
			if stage, refused := stages[c.name]; refused && response.Header.Get("X-Stage") != jsonOf(t, int(stage)) {
				t.Errorf("stage: got %s, want %d", response.Header.Get("X-Stage"), stage)
			}
			if c.status != 421 && (response.Header.Get("X-Ms-Request-Id") == "" || response.Header.Get("X-Ms-Client-Request-Id") != "mine" || response.Header.Get("X-Toy") != "yes") {
				t.Errorf("headers: got %v", response.Header)
			}
		})
	}
}

func TestAuthorizationScheme(t *testing.T) {
	w := start(t, toy())
	for _, header := range []string{"Basic x", "Bearer", "Bearer ", "SharedKey a:b"} {
		request, err := http.NewRequest("GET", w.URL+"/items/x?"+version, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "a.toy.example"
		request.Header.Set("Authorization", header)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close() //nolint:errcheck // only the status matters
		if response.StatusCode != 403 || response.Header.Get("X-Stage") != jsonOf(t, int(azapi.StageBadToken)) {
			t.Errorf("Authorization %q: got %d at stage %s, want 403 at %d", header, response.StatusCode, response.Header.Get("X-Stage"), azapi.StageBadToken)
		}
	}
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestEvents(t *testing.T) {
	w := start(t, toy())
	w.do(t, "GET", "a.toy.example/items/x?"+version+"&sig=secret", "good", "")
	w.do(t, "GET", "a.toy.example/items/x?"+version, "poor", "")
	seen := w.events.list()
	if len(seen) != 2 {
		t.Fatalf("events: got %d, want 2", len(seen))
	}
	ok, refused := seen[0], seen[1]
	if ok.Service != "toy" || ok.Operation != "Get" || ok.Action != "Microsoft.KeyVault/vaults/secrets/getSecret/action" || ok.Scope != vaultID || ok.Status != 200 || ok.Err != nil || !ok.Verdict.Allowed || ok.Path != "/items/x" {
		t.Errorf("event of what was served: got %+v", ok)
	}
	if refused.Status != 403 || refused.Err == nil || refused.Verdict.Allowed || refused.Verdict.Link != chain.LinkAccess || refused.Caller.ObjectID != "poor" {
		t.Errorf("event of what was refused: got %+v", refused)
	}
}

func TestLogIsBounded(t *testing.T) {
	var log bytes.Buffer
	c := config(new(events))
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	server, err := azapi.New([]*azapi.Service{toy()}, c)
	if err != nil {
		t.Fatal(err)
	}
	server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "https://a.toy.example/hello/"+strings.Repeat("x", 60_000), nil))
	if got := log.Len(); got == 0 || got > 8<<10 {
		t.Errorf("the line of a path of 60 kB: got %d bytes, want 8 KiB at most", got)
	}
}

func TestClientThatIsGoneIsNoError(t *testing.T) {
	var log bytes.Buffer
	c := config(new(events))
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	service := toy()
	service.Operations = []azapi.Operation{{
		Name: "Wait", Method: "GET", Pattern: "/wait", Action: azapi.Anonymous(),
		Handle: func(_ http.ResponseWriter, r *azapi.Request) error {
			return fmt.Errorf("reading: %w", r.Context().Err())
		},
	}}
	server, err := azapi.New([]*azapi.Service{service}, c)
	if err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, "GET", "https://a.toy.example/wait", nil))
	if got := log.String(); !strings.Contains(got, "level=WARN") {
		t.Errorf("the line: got %s, want a warning", got)
	}
}

func TestFailures(t *testing.T) {
	w := start(t, toy())
	for how, want := range map[string]struct {
		status int
		body   string
	}{
		"error":      {500, `"code":"InternalServerError"`},
		"panic":      {500, `"code":"InternalServerError"`},
		"coded":      {404, `{"error":{"code":"ToyNotFound","message":"no toy here","innererror":{"code":"Deep"}}}`},
		"throttle":   {429, `"code":"ToyThrottle"`},
		"late-panic": {200, "broken: unexpected EOF"},
		"late-error": {200, "broken: unexpected EOF"},
	} {
		t.Run(how, func(t *testing.T) {
			response, body := w.do(t, "GET", "a.toy.example/fail/"+how, "", "")
			if response.StatusCode != want.status || !strings.Contains(body, want.body) {
				t.Errorf("got %d %s, want %d %s", response.StatusCode, body, want.status, want.body)
			}
			if strings.Contains(body, "secret inside") {
				t.Errorf("the answer shows the inside: %s", body)
			}
			if how == "coded" && (response.Header.Get("X-More") != "1" || response.Header.Get("x-ms-error-code") != "ToyNotFound") {
				t.Errorf("headers: got %v", response.Header)
			}
			if how == "throttle" && response.Header.Get("Retry-After") != "1" {
				t.Errorf("Retry-After: got %q, want 1", response.Header.Get("Retry-After"))
			}
		})
	}
}

func TestBodies(t *testing.T) {
	w := start(t, toy())
	long := `{"count":1,"pad":"` + strings.Repeat("x", 64) + `"}`
	cases := []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"good", "items/x", `{"count":7,"unknown":1}`, 200, `{"count":7}`},
		{"kind", "items/x", `{"count":"7"}`, 400, `{"reason":"the value of \"count\" is a string, not a int","tooLarge":false}`},
		{"syntax", "items/x", `{"count":`, 400, `{"reason":"the request body is not valid JSON at byte 9","tooLarge":false}`},
		{"empty", "items/x", ``, 400, `{"reason":"the request body is not valid JSON at byte 0","tooLarge":false}`},
		{"large", "items/x", long, 400, `{"reason":"the request body is larger than 64 bytes","tooLarge":true}`},
		{"stream_has_no_limit", "stream", long, 200, `{"count":1}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			response, body := w.do(t, "PUT", "a.toy.example/"+c.path+"?"+version, "good", c.body)
			if response.StatusCode != c.status || body != c.want {
				t.Errorf("got %d %s, want %d %s", response.StatusCode, body, c.status, c.want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	cases := map[string]func(s *azapi.Service){
		"no_action":            func(s *azapi.Service) { s.Operations[0].Action = azapi.Action{} },
		"action_of_no_role":    func(s *azapi.Service) { s.Operations[0].Action = azapi.Data("Toy/read") },
		"control_for_data":     func(s *azapi.Service) { s.Operations[0].Action = azapi.Data("Microsoft.Resources/subscriptions/read") },
		"no_name":              func(s *azapi.Service) { s.Operations[0].Name = "" },
		"no_method":            func(s *azapi.Service) { s.Operations[0].Method = "" },
		"no_handler":           func(s *azapi.Service) { s.Operations[0].Handle = nil },
		"name_twice":           func(s *azapi.Service) { s.Operations[0].Name = "Put" },
		"pattern_twice":        func(s *azapi.Service) { s.Operations[0].Pattern = "/ITEMS/special" },
		"pattern_without_root": func(s *azapi.Service) { s.Operations[0].Pattern = "items" },
		"pattern_braces":       func(s *azapi.Service) { s.Operations[0].Pattern = "/items/{name" },
		"pattern_middle":       func(s *azapi.Service) { s.Operations[0].Pattern = "/items/{name...}/x" },
		"no_refusal":           func(s *azapi.Service) { s.Refuse = nil },
		"no_audience":          func(s *azapi.Service) { s.Audiences = nil },
		"host_twice":           func(s *azapi.Service) { s.Hosts = append(s.Hosts, s.Hosts[0]) },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			service := toy()
			change(service)
			if _, err := azapi.New([]*azapi.Service{service}, config(new(events))); err == nil {
				t.Error("got no error")
			}
		})
	}
	if _, err := azapi.New([]*azapi.Service{toy(), toy()}, config(new(events))); err == nil {
		t.Error("a service twice: got no error")
	}
}

func TestDialects(t *testing.T) {
	for dialect, want := range map[azapi.Dialect]struct{ contentType, body string }{
		azapi.DialectARM:     {"application/json; charset=utf-8", `{"error":{"code":"ToyThrottle","message":"slow down"}}`},
		azapi.DialectStorage: {"application/xml", `<Error><Code>ToyThrottle</Code><Message>slow down`},
		azapi.DialectProblem: {"application/problem+json; charset=utf-8", `{"type":"https://azconfig.io/errors/ToyThrottle","title":"slow down","status":429}`},
	} {
		service := toy()
		service.Dialect = dialect
		w := start(t, service)
		response, body := w.do(t, "GET", "a.toy.example/fail/throttle", "", "")
		if response.Header.Get("Content-Type") != want.contentType || !strings.Contains(body, want.body) {
			t.Errorf("dialect %d: got %s %s, want %s %s", dialect, response.Header.Get("Content-Type"), body, want.contentType, want.body)
		}
	}
}

func TestHosts(t *testing.T) {
	server, err := azapi.New([]*azapi.Service{toy()}, config(new(events)))
	if err != nil {
		t.Fatal(err)
	}
	if len(server.Hosts()) != 2 || !server.Serves("X.toy.example") || server.Serves("toy.example") {
		t.Errorf("hosts: got %v", server.Hosts())
	}
}
