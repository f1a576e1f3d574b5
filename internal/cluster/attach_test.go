package cluster

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/cluster/driver"
	"github.com/aksess/aksess/internal/jose"
)

// foreign is the API server of a cluster whose issuer is no name on any network.
type foreign struct {
	*httptest.Server
	issuer string
	key    *jose.SigningKey
	asked  []string
}

func startForeign(t *testing.T, issuer string) *foreign {
	t.Helper()
	key, err := jose.NewSigningKey("")
	if err != nil {
		t.Fatal(err)
	}
	f := &foreign{issuer: issuer, key: key}
	f.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked = append(f.asked, r.Header.Get("Authorization")+" "+r.URL.Path)
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": f.issuer, "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks"})
		case "/openid/v1/jwks":
			set, err := jose.MarshalJWKS(jose.PublishedKey{Key: f.key.Public()})
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(set)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// kubeconfig names files and has a second context, which is not handed out.
func (f *foreign) kubeconfig(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"ca.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}), "token": []byte("of-jo"),
		"config": fmt.Appendf(nil, `
apiVersion: v1
kind: Config
current-context: other
clusters:
- {name: theirs, cluster: {server: %q, certificate-authority: ca.crt}}
- {name: other, cluster: {server: "https://other.example"}}
contexts:
- {name: theirs, context: {cluster: theirs, user: jo}}
- {name: other, context: {cluster: other, user: eve}}
users:
- {name: jo, user: {token: of-jo}}
- {name: eve, user: {token: of-eve}}
`, f.URL),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "config")
}

func TestAttach(t *testing.T) {
	f := startForeign(t, "https://kubernetes.default.svc.cluster.local")
	a, err := Attach(t.Context(), Options{Kubeconfig: f.kubeconfig(t), Context: "theirs"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	if a.Issuer() != f.issuer {
		t.Errorf("issuer: got %q, want %q", a.Issuer(), f.issuer)
	}
	set, err := a.Keys(t.Context(), f.issuer, f.key.Kid())
	if err != nil || set.Len() != 1 || set.Kids()[0] != f.key.Kid() {
		t.Errorf("keys: got %v, %v, want %s", set.Kids(), err, f.key.Kid())
	}
	for _, asked := range f.asked {
		if !strings.HasPrefix(asked, "Bearer of-jo ") {
			t.Errorf("asked %q, want the kubeconfig's credential", asked)
		}
	}
	count := len(f.asked)
	if _, err := a.Keys(t.Context(), f.issuer, f.key.Kid()); err != nil || len(f.asked) != count {
		t.Errorf("keys again: got %v and %d more requests, want them kept", err, len(f.asked)-count)
	}
	for _, other := range []string{f.issuer + "/", "https://other.example", ""} {
		if _, err := a.Keys(t.Context(), other, ""); !errors.Is(err, jose.ErrUnknownIssuer) {
			t.Errorf("keys of %q: got %v, want that another source may know", other, err)
		}
	}
	if err := a.Start(t.Context(), driver.Spec{}); err != nil {
		t.Error(err)
	}
	if err := a.Stop(t.Context(), ""); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("stop: got %v, want a refusal", err)
	}
	if err := a.Delete(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

func TestAttachedKubeconfig(t *testing.T) {
	f := startForeign(t, "https://issuer.example")
	a, err := Attach(t.Context(), Options{Kubeconfig: f.kubeconfig(t), Context: "theirs"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, groups := range [][]string{nil, {"users"}} {
		if got, err := a.Kubeconfig(t.Context(), driver.Spec{AdminGroups: []string{"admins"}}, driver.User{Groups: groups}); !errors.Is(err, driver.ErrNotAdministrator) || got != nil {
			t.Errorf("a user in %q: got %s, %v, want ErrNotAdministrator", groups, got, err)
		}
	}
	got, err := a.Kubeconfig(t.Context(), driver.Spec{AdminGroups: []string{"admins"}}, driver.User{Groups: []string{"users", "Admins"}})
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}))
	for _, want := range []string{"current-context: theirs", "of-jo", f.URL, authority} {
		if !strings.Contains(text, want) {
			t.Errorf("got %s, want %s in it", text, want)
		}
	}
	for _, unwanted := range []string{"eve", "other.example", "ca.crt"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("got %s, want no %s in it", text, unwanted)
		}
	}
	connected, err := Connect(Options{Content: got})
	if err != nil || connected.Name != "theirs" {
		t.Errorf("connecting with it: got %v, %v", connected, err)
	}
}

func TestAttachErrors(t *testing.T) {
	f := startForeign(t, "http://issuer.example")
	config := f.kubeconfig(t)
	if _, err := Attach(t.Context(), Options{Kubeconfig: config, Context: "theirs"}, time.Now); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("an issuer that is no https URL: got %v", err)
	}
	if _, err := Attach(t.Context(), Options{Kubeconfig: config, Context: "nobody's"}, time.Now); err == nil {
		t.Error("an unknown context: got no error")
	}
	f.Close()
	if _, err := Attach(t.Context(), Options{Kubeconfig: config, Context: "theirs"}, time.Now); err == nil || !strings.Contains(err.Error(), "issuer") {
		t.Errorf("a cluster that does not answer: got %v", err)
	}
}
