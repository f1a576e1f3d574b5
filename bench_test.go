package aksess_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/aksess/aksess"
)

// discard is a response writer that costs next to nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkSecretRead is one secret read by role, from the handler on: routing,
// authentication, firewall, decision, the store and the answer.
func BenchmarkSecretRead(b *testing.B) {
	ctx := b.Context()
	w, err := newWorld(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer w.azure.Close()
	projected, err := w.azure.ServiceAccountToken(ctx, w.cluster, "default", "api")
	if err != nil {
		b.Fatal(err)
	}
	token, err := w.azure.Exchange(ctx, w.identity.ClientID, projected, "https://vault.azure.net")
	if err != nil {
		b.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, w.vault.URL+"/secrets/greeting/?api-version=7.4", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	request.RemoteAddr = "203.0.113.10:1"
	b.ReportAllocs()
	for b.Loop() {
		w.azure.ServeHTTP(&discard{header: http.Header{}}, request)
	}
}

// BenchmarkSecretReadTLS is the same through the listener: TLS, HTTP/1.1, one connection.
func BenchmarkSecretReadTLS(b *testing.B) {
	ctx := b.Context()
	w, err := newWorld(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer w.azure.Close()
	projected, err := w.azure.ServiceAccountToken(ctx, w.cluster, "default", "api")
	if err != nil {
		b.Fatal(err)
	}
	token, err := w.azure.Exchange(ctx, w.identity.ClientID, projected, "https://vault.azure.net")
	if err != nil {
		b.Fatal(err)
	}
	if err := w.azure.Start(); err != nil {
		b.Fatal(err)
	}
	client, err := proxied(w.azure)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.vault.URL+"/secrets/greeting/?api-version=7.4", nil)
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			b.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			b.Fatalf("got %s, want 200", response.Status)
		}
	}
}

// proxied is a client in another process' place: it uses what Environ says.
func proxied(azure *aksess.Azure) (*http.Client, error) {
	values := map[string]string{}
	for _, entry := range azure.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	proxy, err := url.Parse(values["HTTPS_PROXY"])
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(values["SSL_CERT_FILE"])
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}}}, nil
}
