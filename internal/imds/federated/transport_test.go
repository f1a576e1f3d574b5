package federated

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/imds"
)

// tokenProxy is AKS's token proxy with a certificate for example.com.
type tokenProxy struct {
	*httptest.Server
	asked      atomic.Pointer[http.Request]
	serverName atomic.Value
}

func startTokenProxy(t *testing.T) *tokenProxy {
	t.Helper()
	p := new(tokenProxy)
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		p.asked.Store(r)
		_, _ = io.WriteString(w, granted(1, r.PostForm, `"expires_in":3600`))
	}))
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		p.serverName.Store(hello.ServerName)
		return nil, nil
	}}
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

func (p *tokenProxy) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
}

// bind makes a workbench's client one of an identity binding.
func bind(b Binding) func(*Config) {
	return func(c *Config) { c.Binding, c.Transport = &b, nil }
}

// TestBinding: requests for the token service go to the token proxy, as Azure's
// SDKs send them: its path in front, the service's Host, its own server name.
func TestBinding(t *testing.T) {
	p := startTokenProxy(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, p.ca(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]Binding{
		"file": {URL: p.URL + "/some/prefix", ServerName: "example.com", CAFile: file},
		"data": {URL: p.URL + "/some/prefix/", ServerName: "example.com", CAData: p.ca()},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkbench(t, bind(b))
			got, err := w.get(t.Context(), imds.Selector{}, vault)
			if err != nil || got.AppID != clientID {
				t.Fatalf("got %+v %v", got, err)
			}
			asked := p.asked.Load()
			if asked.URL.Path != "/some/prefix/"+tenantID+"/oauth2/v2.0/token" || asked.Host != "login.microsoftonline.com" || p.serverName.Load() != "example.com" {
				t.Errorf("got %s for host %s and server %s", asked.URL, asked.Host, p.serverName.Load())
			}
			if asked.PostForm.Get("client_assertion") != "assertion" {
				t.Errorf("got form %v", asked.PostForm)
			}
		})
	}
}

// TestBindingAuthority: the file counts as it is at each exchange, except while
// it is empty.
func TestBindingAuthority(t *testing.T) {
	p := startTokenProxy(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(otherAuthority(t))
	w := newWorkbench(t, bind(Binding{URL: p.URL, CAFile: file}))
	if _, err := w.get(t.Context(), imds.Selector{}, "untrusted"); refusal(t, err).Status != 503 || !strings.Contains(w.log.String(), "x509") {
		t.Errorf("got %v with another authority", err)
	}
	write(p.ca())
	if _, err := w.get(t.Context(), imds.Selector{}, "trusted"); err != nil {
		t.Errorf("got %v once the file has the authority", err)
	}
	write(nil)
	if _, err := w.get(t.Context(), imds.Selector{}, "empty"); err != nil {
		t.Errorf("got %v while the file is empty", err)
	}
	write([]byte("nonsense"))
	if _, err := w.get(t.Context(), imds.Selector{}, "nonsense"); refusal(t, err).Status != 503 {
		t.Errorf("got %v for a file without a certificate", err)
	}
}

// otherAuthority is nobody's certificate.
func otherAuthority(t *testing.T) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestProxyOfTheEnvironment: it is asked for the token service's address.
func TestProxyOfTheEnvironment(t *testing.T) {
	var target atomic.Value
	refuse := errors.New("no proxy today")
	w := newWorkbench(t, func(c *Config) {
		c.Transport = nil
		c.Proxy = func(r *http.Request) (*url.URL, error) { target.Store(r.URL.Host); return nil, refuse }
	})
	if _, err := w.get(t.Context(), imds.Selector{}, vault); refusal(t, err).Status != 503 || target.Load() != "login.microsoftonline.com" {
		t.Errorf("got %v, asked for %v", err, target.Load())
	}
}
