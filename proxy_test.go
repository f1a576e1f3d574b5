package aksess_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/imds/federated"
	"github.com/aksess/aksess/internal/imds/node"
	"github.com/aksess/aksess/internal/imds/proxy"
)

// podProxy is the proxy beside a pod of the world's cluster, whose token file
// the test plays the kubelet for.
type podProxy struct {
	address string
	file    string
}

func (w *world) startProxy(t *testing.T, clientID string) *podProxy {
	t.Helper()
	p := &podProxy{file: filepath.Join(t.TempDir(), "azure-identity-token")}
	tokens, err := federated.New(federated.Config{
		TenantID: w.azure.TenantID, ClientID: clientID, TokenFile: p.file,
		Authority: "https://login.microsoftonline.com/", Transport: w.azure.Client().Transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := proxy.Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	p.address = listeners[0].Addr().String()
	imds := netip.MustParseAddr("169.254.169.254")
	server := proxy.New(proxy.Config{
		Addresses: []netip.Addr{imds}, Tokens: tokens.Answer, Secret: "header", Stats: tokens.Stats,
		Node: node.New(netip.AddrPortFrom(imds, 80), nil, nil),
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listeners...) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		tokens.Close()
	})
	return p
}

// project writes a service account's token where the kubelet would.
func (p *podProxy) project(t *testing.T, w *world, serviceAccount string) {
	t.Helper()
	token, err := w.azure.ServiceAccountToken(t.Context(), w.cluster, "default", serviceAccount)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
}

// metadataAnswer is what a client of the metadata service reads.
type metadataAnswer struct {
	Token       string `json:"access_token"`
	ClientID    string `json:"client_id"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Message     string `json:"message"`
}

// ask sends a token request as a program behind the redirection does.
func (p *podProxy) ask(t *testing.T, path, query string) (int, metadataAnswer) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address+path+"?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(path, "/metadata") {
		request.Host = "169.254.169.254"
		request.Header.Set("Metadata", "true")
	} else {
		request.Header.Set("X-Identity-Header", "header")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer metadataAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("got %d %q, which is not JSON: %v", response.StatusCode, text, err)
	}
	return response.StatusCode, answer
}

const (
	metadataPath  = "/metadata/identity/oauth2/token"
	metadataQuery = "api-version=2018-02-01&resource=" + "https%3A%2F%2Fvault.azure.net"
)

// TestProxy: the service account's token becomes, by way of the metadata
// service, an access token that reads a secret; and a refusal arrives with the
// code and the text of the token service.
func TestProxy(t *testing.T) {
	ctx := t.Context()
	w, err := newWorld(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.azure.Close() })
	p := w.startProxy(t, w.identity.ClientID)

	if status, got := p.ask(t, metadataPath, metadataQuery); status != 503 || got.Error != "temporarily_unavailable" {
		t.Errorf("before the kubelet: got %d %+v, want 503", status, got)
	}
	p = w.startProxy(t, w.identity.ClientID) // whose refusals are its own
	p.project(t, w, "other")
	if status, got := p.ask(t, metadataPath, metadataQuery); status != 401 || got.Error != "invalid_client" || !strings.HasPrefix(got.Description, "AADSTS700213: ") {
		t.Errorf("as a service account that nobody trusts: got %d %+v, want AADSTS700213", status, got)
	}
	p = w.startProxy(t, w.identity.ClientID)
	p.project(t, w, "api")
	for name, query := range map[string]string{
		"default":     "",
		"client_id":   "&client_id=" + w.identity.ClientID,
		"object_id":   "&object_id=" + w.identity.PrincipalID,
		"resource_id": "&msi_res_id=" + url.QueryEscape(strings.ToUpper(w.identity.ID)),
	} {
		t.Run(name, func(t *testing.T) {
			status, got := p.ask(t, metadataPath, metadataQuery+query)
			if status != 200 || got.ClientID != w.identity.ClientID {
				t.Fatalf("got %d %s %s, want a token of %s", status, got.Error, got.Description, w.identity.ClientID)
			}
			if secret, err := w.azure.Secret(ctx, w.vault, "greeting", got.Token); err != nil || secret != "hello" {
				t.Errorf("got %q %v, want the secret", secret, err)
			}
		})
	}
	for name, test := range map[string]struct {
		query, code, text string
	}{
		"other_object":     {"&object_id=" + w.azure.DeployerID(), "invalid_request", "Identity not found"},
		"other_resource":   {"&mi_res_id=" + w.identity.ID + "2", "invalid_request", "Identity not found"},
		"unknown_client":   {"&client_id=11111111-1111-1111-1111-111111111111", "unauthorized_client", "AADSTS700016: "},
		"unknown_resource": {"x", "invalid_resource", "AADSTS500011: "},
	} {
		t.Run(name, func(t *testing.T) {
			if status, got := p.ask(t, metadataPath, metadataQuery+test.query); status != 400 || got.Error != test.code || !strings.HasPrefix(got.Description, test.text) {
				t.Errorf("got %d %s %s, want 400 %s %s", status, got.Error, got.Description, test.code, test.text)
			}
		})
	}
	t.Run("app_service", func(t *testing.T) {
		status, got := p.ask(t, "/msi/token", "api-version=2019-08-01&resource="+url.QueryEscape(vaultResource))
		if status != 200 {
			t.Fatalf("got %d %s", status, got.Message)
		}
		if secret, err := w.azure.Secret(ctx, w.vault, "greeting", got.Token); err != nil || secret != "hello" {
			t.Errorf("got %q %v, want the secret", secret, err)
		}
	})
}
