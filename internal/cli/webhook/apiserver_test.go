package webhook

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// apiServer answers what the webhook asks of a cluster: its version, service
// accounts, and the webhook's own configuration.
type apiServer struct {
	*httptest.Server
	mu      sync.Mutex
	bundle  string        // of the configuration, base64
	events  []string      // written, each as its JSON
	patched chan struct{} // closed after the next patch
	closed  chan struct{}

	version string        // minor version, 36 if empty
	asked   atomic.Bool   // for it
	cold    chan struct{} // if set, nothing is known of service accounts until it is closed
	slow    chan struct{} // tells of a read of service account "slow", and lets it end
}

func startAPIServer(t *testing.T) *apiServer {
	t.Helper()
	api := &apiServer{patched: make(chan struct{}), closed: make(chan struct{}), slow: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		api.asked.Store(true)
		answerJSON(w, fmt.Sprintf(`{"major":"1","minor":%q}`, cmp.Or(api.version, "36")))
	})
	mux.HandleFunc("GET /api/v1/serviceaccounts", func(w http.ResponseWriter, r *http.Request) {
		if api.cold != nil {
			select {
			case <-api.cold:
			case <-api.closed:
			}
		}
		api.list(w, r, "ServiceAccount", `{"name":"wi-demo-sa","namespace":"widemo","resourceVersion":"5","annotations":{"azure.workload.identity/client-id":"33333333-3333-3333-3333-333333333333"}}`)
	})
	mux.HandleFunc("GET /api/v1/namespaces/widemo/serviceaccounts/{name}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("name") == "slow" {
			api.slow <- struct{}{}
			<-api.slow
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
	})
	const configurations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
	mux.HandleFunc("GET "+configurations, func(w http.ResponseWriter, r *http.Request) {
		api.watchConfiguration(w, r)
	})
	mux.HandleFunc("GET "+configurations+"/mine", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, api.configuration()) })
	mux.HandleFunc("PATCH "+configurations+"/mine", api.patch)
	mux.HandleFunc("POST /apis/events.k8s.io/v1/namespaces/widemo/events", func(w http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		api.mu.Lock()
		api.events = append(api.events, string(event))
		api.mu.Unlock()
		answerJSON(w, string(event))
	})
	api.Server = httptest.NewServer(mux)
	t.Cleanup(func() { close(api.closed); api.Close() })
	return api
}

func answerJSON(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, body)
}

// list answers a list, or a watch that begins with the list if it is asked to.
func (a *apiServer) list(w http.ResponseWriter, r *http.Request, kind, metadata string) {
	object := fmt.Sprintf(`{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":%s}`, metadata)
	if r.URL.Query().Get("watch") == "" {
		answerJSON(w, fmt.Sprintf(`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"5"},"items":[%s]}`, object))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		_, _ = fmt.Fprintf(w, `{"type":"ADDED","object":%s}`+"\n", object)
		_, _ = fmt.Fprintf(w, `{"type":"BOOKMARK","object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"5","annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n")
	}
	_ = http.NewResponseController(w).Flush()
	select {
	case <-r.Context().Done():
	case <-a.closed:
	}
}

// watchConfiguration tells of the configuration at first and after each patch.
func (a *apiServer) watchConfiguration(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") == "" {
		answerJSON(w, fmt.Sprintf(`{"kind":"MutatingWebhookConfigurationList","apiVersion":"admissionregistration.k8s.io/v1","metadata":{"resourceVersion":"5"},"items":[%s]}`, a.configuration()))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	send := func(kind, object string) {
		var line bytes.Buffer
		if err := json.Compact(&line, []byte(fmt.Sprintf(`{"type":%q,"object":%s}`, kind, object))); err != nil {
			panic(err)
		}
		_, _ = w.Write(append(line.Bytes(), '\n'))
		_ = http.NewResponseController(w).Flush()
	}
	kind := "ADDED"
	for {
		a.mu.Lock()
		patched := a.patched
		a.mu.Unlock()
		send(kind, a.configuration())
		if kind == "ADDED" {
			send("BOOKMARK", `{"kind":"MutatingWebhookConfiguration","apiVersion":"admissionregistration.k8s.io/v1","metadata":{"resourceVersion":"5","annotations":{"k8s.io/initial-events-end":"true"}}}`)
		}
		kind = "MODIFIED"
		select {
		case <-r.Context().Done():
			return
		case <-a.closed:
			return
		case <-patched:
		}
	}
}

func (a *apiServer) configuration() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprintf(`{"kind":"MutatingWebhookConfiguration","apiVersion":"admissionregistration.k8s.io/v1","metadata":{"name":"mine","resourceVersion":"5"},
"webhooks":[{"name":"m","clientConfig":{"caBundle":%q}}]}`, a.bundle)
}

func (a *apiServer) patch(w http.ResponseWriter, r *http.Request) {
	var patch []struct{ Op, Path, Value string }
	if err := json.NewDecoder(r.Body).Decode(&patch); err != nil || len(patch) != 2 || patch[1].Path != "/webhooks/0/clientConfig/caBundle" {
		http.Error(w, "unexpected patch", http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	a.bundle = patch[1].Value
	close(a.patched)
	a.patched = make(chan struct{})
	a.mu.Unlock()
	answerJSON(w, a.configuration())
}

func (a *apiServer) kubeconfig(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	content := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":%q}}],"users":[{"name":"u"}],
"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"current-context":"x"}`, a.URL)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// roots returns what an API server with the published bundle trusts.
func (a *apiServer) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	bundle, err := base64.StdEncoding.DecodeString(a.bundle)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	return pool
}

// told is every Event that was written.
func (a *apiServer) told() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.events, "\n")
}
