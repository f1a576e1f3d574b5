package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestUnservedServerNamesFailTheHandshake(t *testing.T) {
	f := start(t, nil)
	for _, name := range []string{"example.com", "vault.azure.net.evil.example", "xvault.azure.net", "azure.com", "net"} {
		c, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{ServerName: name, RootCAs: f.CA.Pool()})
		if err == nil {
			c.Close()
			t.Errorf("handshake for %q: got a certificate, want none", name)
			continue
		}
		if !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("handshake for %q: got %v, want the alert unrecognized_name", name, err)
		}
		if !strings.Contains(f.log.String(), fmt.Sprintf("server name \\\"%s\\\" is not a host", name)) {
			t.Errorf("log: got %s, want the refused name %q", f.log, name)
		}
	}
}

// A ticket got for a served name must not open a session for another: with TLS
// 1.3 a resumed session needs no certificate, so none would be missed.
func TestTicketsDoNotOpenUnservedNames(t *testing.T) {
	f := start(t, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(strings.ReplaceAll(tls.VersionName(version), " ", ""), func(t *testing.T) {
			cfg := &tls.Config{ClientSessionCache: &oneTicket{}, InsecureSkipVerify: true, MaxVersion: version}
			for i, wantResumed := range []bool{false, true} {
				resumed, err := session(t, f, cfg, "widemo.vault.azure.net")
				if err != nil || resumed != wantResumed {
					t.Errorf("connection %d: resumed got %v (%v), want %v", i, resumed, err, wantResumed)
				}
			}
			if _, err := session(t, f, cfg, "example.com"); err == nil {
				t.Error("got a session for example.com by ticket, want a refusal")
			}
		})
	}
}

// session makes a connection and a request, after which a ticket has arrived.
func session(t *testing.T, f *fixture, cfg *tls.Config, name string) (resumed bool, err error) {
	t.Helper()
	cfg = cfg.Clone()
	cfg.ServerName = name
	c, err := tls.Dial("tcp", f.Addr().String(), cfg)
	if err != nil {
		return false, err
	}
	exchange(t, c, "GET / HTTP/1.0\r\n\r\n")
	return c.ConnectionState().DidResume, nil
}

// oneTicket offers its one session to every server.
type oneTicket struct{ s *tls.ClientSessionState }

func (o *oneTicket) Get(string) (*tls.ClientSessionState, bool) { return o.s, o.s != nil }
func (o *oneTicket) Put(_ string, s *tls.ClientSessionState)    { o.s = s }

func TestHostMustMatchTheSession(t *testing.T) {
	f := start(t, nil)
	for _, change := range []struct {
		name string
		f    func(*http.Transport)
	}{{"h2", func(*http.Transport) {}}, {"http1", http1}} {
		for _, host := range []string{"other.vault.azure.net", "login.microsoftonline.com", "example.com", "localhost"} {
			t.Run(change.name+"-"+host, func(t *testing.T) {
				req, err := http.NewRequest(http.MethodGet, "https://widemo.vault.azure.net/", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = host
				resp, err := f.client(t, change.f).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				code, body := status(t, resp)
				if code != http.StatusMisdirectedRequest || !strings.Contains(body, host) {
					t.Errorf("got %d %q, want 421 naming %q", code, body, host)
				}
			})
		}
	}
}

func TestOldTLSAndWeakSuitesAreRefused(t *testing.T) {
	f := start(t, nil)
	tests := []struct {
		name string
		cfg  *tls.Config
	}{
		{"tls10", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}},
		{"tls11", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
		{"cbc", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}}},
		{"rsa-kex", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := tt.cfg.Clone()
			cfg.ServerName, cfg.RootCAs = "login.microsoftonline.com", f.CA.Pool()
			c, err := tls.Dial("tcp", f.Addr().String(), cfg)
			if err == nil {
				c.Close()
				t.Error("handshake: got a connection, want a refusal")
			}
		})
	}
}

func TestEachLeafVerifiesForItsNameOnly(t *testing.T) {
	f := start(t, nil)
	c, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{ServerName: "widemo.vault.azure.net", RootCAs: f.CA.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cert := c.ConnectionState().PeerCertificates[0]
	if err := cert.VerifyHostname("widemo.vault.azure.net"); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	var hostErr x509.HostnameError
	if err := cert.VerifyHostname("other.vault.azure.net"); !errors.As(err, &hostErr) {
		t.Errorf("other host: got %v, want a host name error", err)
	}
}
