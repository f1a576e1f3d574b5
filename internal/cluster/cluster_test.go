package cluster

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// apiServer answers with one status and body, and keeps what it was asked.
type apiServer struct {
	*httptest.Server
	status int
	body   string

	asked *http.Request // the last one
	sent  string        // its body
}

func startAPIServer(t *testing.T, status int, body string) *apiServer {
	t.Helper()
	api := &apiServer{status: status, body: body}
	api.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the request: %v", err)
		}
		api.asked, api.sent = r, string(sent)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(api.status)
		_, _ = io.WriteString(w, api.body)
	}))
	t.Cleanup(api.Close)
	return api
}

// kubeconfig has two contexts: "plain", the current one, and "dev" with a
// namespace and a path before the API's own.
func (a *apiServer) kubeconfig() []byte {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
	return fmt.Appendf(nil, `
apiVersion: v1
kind: Config
current-context: plain
clusters:
- {name: plain, cluster: {server: %[1]q, certificate-authority-data: %[2]s}}
- {name: behind, cluster: {server: "%[1]s/k8s/clusters/c-1/", certificate-authority-data: %[2]s}}
contexts:
- {name: plain, context: {cluster: plain, user: jo}}
- {name: dev, context: {cluster: behind, user: jo, namespace: widemo}}
users:
- {name: jo, user: {token: of-jo}}
`, a.URL, base64.StdEncoding.EncodeToString(ca))
}

func (a *apiServer) connect(t *testing.T, o Options) *Cluster {
	t.Helper()
	o.Content = a.kubeconfig()
	c, err := Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServiceAccount(t *testing.T) {
	api := startAPIServer(t, http.StatusOK, `{"kind":"ServiceAccount","metadata":{"annotations":{"a":"1","b":"2"}}}`)
	got, err := api.connect(t, Options{}).ServiceAccount(t.Context(), "widemo", "wi-demo-sa")
	if want := map[string]string{"a": "1", "b": "2"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("annotations: got %v, %v, want %v", got, err, want)
	}
	if got, want := api.asked.Method+" "+api.asked.URL.Path, "GET /api/v1/namespaces/widemo/serviceaccounts/wi-demo-sa"; got != want {
		t.Errorf("request: got %s, want %s", got, want)
	}
	if got, want := api.asked.Header.Get("Authorization"), "Bearer of-jo"; got != want {
		t.Errorf("credential: got %q, want %q", got, want)
	}
}

func TestToken(t *testing.T) {
	api := startAPIServer(t, http.StatusCreated, `{"kind":"TokenRequest","status":{"token":"of-the-account","expirationTimestamp":"2026-08-01T13:00:00Z"}}`)
	got, err := api.connect(t, Options{Context: "dev"}).Token(t.Context(), "widemo", "wi-demo-sa", "api://audience", 2*time.Hour)
	if want := (Token{Value: "of-the-account", Expires: time.Date(2026, 8, 1, 13, 0, 0, 0, time.UTC)}); err != nil || got != want {
		t.Errorf("token: got %v, %v, want %v", got, err, want)
	}
	if got, want := api.asked.Method+" "+api.asked.URL.Path, "POST /k8s/clusters/c-1/api/v1/namespaces/widemo/serviceaccounts/wi-demo-sa/token"; got != want {
		t.Errorf("request: got %s, want %s", got, want)
	}
	var sent, want any
	const request = `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":["api://audience"],"expirationSeconds":7200}}`
	if err := errors.Join(json.Unmarshal([]byte(api.sent), &sent), json.Unmarshal([]byte(request), &want)); err != nil || !reflect.DeepEqual(sent, want) {
		t.Errorf("request: got %s, %v, want %s", api.sent, err, request)
	}
}

func TestRefusals(t *testing.T) {
	const status = `{"kind":"Status","message":"%s","code":1}`
	for _, c := range []struct {
		name     string
		status   int
		body     string
		want     string
		notFound bool
	}{
		{"not_found", 404, fmt.Sprintf(status, `serviceaccounts \"x\" not found`), `serviceaccounts "x" not found`, true},
		{"forbidden", 403, fmt.Sprintf(status, `User \"jo\" cannot do that`), `403: User "jo" cannot do that`, false},
		{"unauthorized", 401, fmt.Sprintf(status, "Unauthorized"), "401: Unauthorized", false},
		{"no_status", 502, "<html>bad gateway</html>", "502: Bad Gateway", false},
		{"redirect", 304, "", "304: Not Modified", false},
		{"no_json", 200, "<html>sign in</html>", "invalid character", false},
		{"cut_off", 200, `{"metadata":{`, "unexpected end", false},
		{"too_large", 200, `{"a":"` + strings.Repeat("x", maxAnswer) + `"}`, "unexpected end", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := startAPIServer(t, c.status, c.body).connect(t, Options{})
			_, accountErr := cluster.ServiceAccount(t.Context(), "widemo", "x")
			_, tokenErr := cluster.Token(t.Context(), "widemo", "x", "api://audience", time.Hour)
			for what, err := range map[string]error{"reading service account": accountErr, "requesting a token": tokenErr} {
				if err == nil {
					t.Fatalf("%s: got no error", what)
				}
				for _, want := range []string{what, "widemo/x", `cluster "plain"`, c.want} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: got %q, want %q in it", what, err, want)
					}
				}
				if got := errors.Is(err, ErrNotFound); got != c.notFound {
					t.Errorf("%s: got not found %t, want %t", what, got, c.notFound)
				}
			}
		})
	}
}

func TestTokenOfNothing(t *testing.T) {
	c := startAPIServer(t, http.StatusCreated, `{"kind":"TokenRequest","status":{}}`).connect(t, Options{})
	if _, err := c.Token(t.Context(), "widemo", "x", "api://audience", time.Hour); err == nil || !strings.Contains(err.Error(), "without a token") {
		t.Errorf("got %v, want that there was no token", err)
	}
}

// TestNamesAreEscaped: a name is one element of the path, whatever is in it.
func TestNamesAreEscaped(t *testing.T) {
	api := startAPIServer(t, http.StatusOK, `{}`)
	if _, err := api.connect(t, Options{}).ServiceAccount(t.Context(), "a/b", "../secrets?x=1#y"); err != nil {
		t.Fatal(err)
	}
	if got, want := api.asked.RequestURI, "/api/v1/namespaces/a%2Fb/serviceaccounts/..%2Fsecrets%3Fx=1%23y"; got != want {
		t.Errorf("request: got %s, want %s", got, want)
	}
}

func TestConnect(t *testing.T) {
	api := startAPIServer(t, http.StatusOK, `{}`)
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, api.kubeconfig(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, context            string
		wantName, wantNamespaces string
	}{
		{"current_context", "", "plain", "default"},
		{"chosen_context", "dev", "dev", "widemo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, o := range []Options{{Kubeconfig: file, Context: c.context}, {Content: api.kubeconfig(), Context: c.context}} {
				got, err := Connect(o)
				if err != nil {
					t.Fatal(err)
				}
				if got.Name != c.wantName || got.Namespace != c.wantNamespaces {
					t.Errorf("got cluster %q, namespace %q, want %q, %q", got.Name, got.Namespace, c.wantName, c.wantNamespaces)
				}
			}
		})
	}
}

func TestConnectErrors(t *testing.T) {
	api := startAPIServer(t, http.StatusOK, `{}`)
	for name, o := range map[string]Options{
		"no_file":         {Kubeconfig: filepath.Join(t.TempDir(), "absent")},
		"unknown_context": {Content: api.kubeconfig(), Context: "prod"},
		"no_kubeconfig":   {Content: []byte("<html>")},
		"no_server":       {Content: []byte(`{"apiVersion":"v1","kind":"Config"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Connect(o)
			if err == nil || !strings.Contains(err.Error(), "kubeconfig") {
				t.Errorf("got %+v, %v, want an error that names the kubeconfig", c, err)
			}
		})
	}
}

// TestConnectTrustsNobodyElse: the kubeconfig's authority is the only one.
func TestConnectTrustsNobodyElse(t *testing.T) {
	api := startAPIServer(t, http.StatusOK, `{}`)
	text := string(api.kubeconfig())
	line, _, _ := strings.Cut(text[strings.Index(text, "certificate-authority-data"):], "}")
	c, err := Connect(Options{Content: []byte(strings.ReplaceAll(text, line, ""))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ServiceAccount(t.Context(), "widemo", "x"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want that the certificate is not trusted", err)
	}
}

func TestConnectThroughProxy(t *testing.T) {
	api := startAPIServer(t, http.StatusOK, `{}`)
	var tunnel string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tunnel = r.Method + " " + r.Host
		http.Error(w, "no", http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	const elsewhere = "blue-01234567.hcp.westeurope.azmk8s.io:443"
	config := strings.ReplaceAll(string(api.kubeconfig()), strings.TrimPrefix(api.URL, "https://"), elsewhere)
	beyond, err := Connect(Options{Content: []byte(config), Proxy: address})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := beyond.ServiceAccount(t.Context(), "widemo", "x"); err == nil {
		t.Error("got no error from a proxy that refuses")
	}
	if want := "CONNECT " + elsewhere; tunnel != want {
		t.Errorf("proxy: got %q, want %q", tunnel, want)
	}
	if _, err := api.connect(t, Options{Proxy: address}).ServiceAccount(t.Context(), "widemo", "x"); err != nil {
		t.Errorf("an API server on this machine: got %v, want it reached without the proxy", err)
	}
}
