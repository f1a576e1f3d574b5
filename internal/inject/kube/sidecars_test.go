package kube

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

func TestNativeSidecars(t *testing.T) {
	tests := []struct {
		name, raw     string
		native, known bool
	}{
		{"exact", `{"major":"1","minor":"32"}`, true, true},
		{"newer", `{"major":"1","minor":"36"}`, true, true},
		{"older", `{"major":"1","minor":"31"}`, false, true},
		{"next_major", `{"major":"2","minor":"0"}`, true, true},
		{"distribution", `{"major":"1","minor":"30+"}`, false, true},
		{"source_build", `{"major":"","minor":"","gitVersion":"v0.0.0-master+$Format:%H$"}`, true, false},
		{"no_json", `nothing`, true, false},
		{"empty", ``, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if native, known := nativeSidecars([]byte(test.raw)); native != test.native || known != test.known {
				t.Errorf("got %v, %v, want %v, %v", native, known, test.native, test.known)
			}
		})
	}
}

func TestSidecarsAsk(t *testing.T) {
	answer, status := `{"major":"1","minor":"28"}`, http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/version" {
			t.Errorf("got %s, want /version", r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	sidecars, err := NewSidecars(&Client{config: &rest.Config{Host: server.URL}}, discard())
	if err != nil {
		t.Fatal(err)
	}
	if !sidecars.Native() {
		t.Error("before the first answer: got classic, want native")
	}
	if err := sidecars.ask(t.Context()); err != nil || sidecars.Native() {
		t.Errorf("1.28: got %v, native %v", err, sidecars.Native())
	}
	status = http.StatusForbidden
	if err := sidecars.ask(t.Context()); err == nil || sidecars.Native() {
		t.Errorf("outage: got %v, native %v, want an error and the last answer", err, sidecars.Native())
	}
	answer, status = `{"major":"1","minor":"36"}`, http.StatusOK
	if err := sidecars.ask(t.Context()); err != nil || !sidecars.Native() {
		t.Errorf("1.36: got %v, native %v", err, sidecars.Native())
	}
}

func TestNewClientErrors(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := NewClient("", "test"); err == nil || !strings.Contains(err.Error(), "kubeconfig") {
		t.Errorf("got %v, want a hint at the kubeconfig", err)
	}
	if _, err := NewClient("/does/not/exist", "test"); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("got %v, want the file named", err)
	}
}
