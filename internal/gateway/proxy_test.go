package gateway

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestConnectTargets(t *testing.T) {
	f := start(t, nil)
	const ok = "HTTP/1.1 200 Connection established\r\n\r\n"
	tests := []struct{ name, request, want string }{
		{"http11", "CONNECT a.vault.azure.net:443 HTTP/1.1\r\nHost: a.vault.azure.net:443\r\n\r\n", ok},
		{"http10", "CONNECT a.vault.azure.net:443 HTTP/1.0\r\n\r\n", ok},
		{"upper-case", "CONNECT A.Vault.AZURE.net:443 HTTP/1.1\r\nHost: A\r\n\r\n", ok},
		{"trailing-dot", "CONNECT a.vault.azure.net.:443 HTTP/1.1\r\nHost: a\r\n\r\n", ok},
		{"other-host-header", "CONNECT a.vault.azure.net:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", ok},
		{"other-port", "CONNECT a.vault.azure.net:8443 HTTP/1.1\r\nHost: a\r\n\r\n", "403 a.vault.azure.net is served on port 443 only"},
		{"port-80", "CONNECT login.microsoftonline.com:80 HTTP/1.1\r\nHost: a\r\n\r\n", "403 port 443 only"},
		{"unknown", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", "403 refused example.com:443: this local Azure answers only Azure's hosts"},
		{"suffix-inside-a-label", "CONNECT evilvault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n", "403 --passthrough"},
		{"suffix-in-front", "CONNECT vault.azure.net.evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", "403 --passthrough"},
		{"ipv4", "CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: a\r\n\r\n", "403 refused 127.0.0.1:443"},
		{"metadata", "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: a\r\n\r\n", ok},
		{"metadata-other-port", "CONNECT 169.254.169.254:443 HTTP/1.1\r\nHost: a\r\n\r\n", "403 refused 169.254.169.254:443"},
		{"ipv6", "CONNECT [::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n", "403 refused [::1]:443"},
		{"ipv6-zone", "CONNECT [fe80::1%25eth0]:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"ipv6-without-brackets", "CONNECT ::1:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"userinfo", "CONNECT login.microsoftonline.com@evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400 user information"},
		{"userinfo-of-served", "CONNECT x:y@login.microsoftonline.com:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400 user information"},
		{"no-port", "CONNECT a.vault.azure.net HTTP/1.1\r\nHost: a\r\n\r\n", "400 has no port"},
		{"port-0", "CONNECT a.vault.azure.net:0 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"port-too-large", "CONNECT a.vault.azure.net:65979 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"port-signed", "CONNECT a.vault.azure.net:+443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"port-empty", "CONNECT a.vault.azure.net: HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"with-path", "CONNECT a.vault.azure.net:443/secrets HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"path-only", "CONNECT /secrets HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"absolute-form", "CONNECT https://a.vault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"percent-encoded", "CONNECT a%2evault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"wildcard", "CONNECT *.vault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"nul", "CONNECT a\x00.vault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"unicode", "CONNECT ａ.vault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		{"long-name", "CONNECT " + strings.Repeat("a.", 200) + "vault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400 want at most 253"},
		{"body", "CONNECT a.vault.azure.net:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", "400 has a body"},
		{"chunked-body", "CONNECT a.vault.azure.net:443 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 has a body"},
		{"https-in-absolute-form", "GET https://a.vault.azure.net/secrets HTTP/1.1\r\nHost: a\r\n\r\n", "400 want CONNECT"},
		{"ftp", "GET ftp://example.com/x HTTP/1.1\r\nHost: a\r\n\r\n", "400 want CONNECT"},
		{"http-with-userinfo", "GET http://a:b@169.254.169.254/x HTTP/1.1\r\nHost: a\r\n\r\n", "400 user information"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := exchange(t, f.dialPlain(t), tt.request)
			if tt.want == ok {
				if got != ok {
					t.Errorf("%q: got %q, want %q", tt.request, got, ok)
				}
				return
			}
			code, text, _ := strings.Cut(tt.want, " ")
			if !strings.HasPrefix(got, "HTTP/1.1 "+code) && !strings.HasPrefix(got, "HTTP/1.0 "+code) || !strings.Contains(got, text) {
				t.Errorf("%q: got %q, want %s with %q", tt.request, got, code, text)
			}
			if !strings.Contains(got, "Connection: close\r\n") {
				t.Errorf("%q: got %q, want the connection closed", tt.request, got)
			}
		})
	}
}

// A client may send its first TLS record together with CONNECT.
func TestTLSSentAlongWithConnect(t *testing.T) {
	f := start(t, nil)
	c := &eager{Conn: f.dialPlain(t), first: "CONNECT a.vault.azure.net:443 HTTP/1.0\r\n\r\n"}
	defer c.Close()
	tc := tls.Client(c, &tls.Config{ServerName: "a.vault.azure.net", RootCAs: f.CA.Pool()})
	if _, err := io.WriteString(tc, "GET /x HTTP/1.1\r\nHost: a.vault.azure.net\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(tc), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, body := status(t, resp); !strings.Contains(body, "GET /x host=a.vault.azure.net") {
		t.Errorf("got %q, want the handler's answer", body)
	}
}

// Java's SDK asks a proxy for CONNECT whatever the scheme, so it reaches the
// metadata service in the clear through one.
func TestMetadataByConnect(t *testing.T) {
	f := start(t, nil)
	c := f.dialPlain(t)
	defer c.Close()
	answers := bufio.NewReader(c)
	ask := func(request string) *http.Response {
		t.Helper()
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, &http.Request{Method: strings.Fields(request)[0]})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	if got := ask("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: a\r\n\r\n"); got.StatusCode != http.StatusOK {
		t.Fatalf("CONNECT: got %s, want 200", got.Status)
	}
	for range 2 {
		if code, body := status(t, ask("GET /x HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n")); code != http.StatusOK || !strings.Contains(body, "plain /x host=169.254.169.254") {
			t.Errorf("got %d %q, want the metadata service's answer", code, body)
		}
	}
}

func TestServerNameMustBeTheConnectHost(t *testing.T) {
	f := start(t, nil)
	for _, tt := range []struct {
		name, sni string
		ok        bool
	}{
		{"same", "a.vault.azure.net", true},
		{"none", "", true},
		{"other-served", "b.vault.azure.net", false},
		{"unserved", "example.com", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &eager{Conn: f.dialPlain(t), first: "CONNECT a.vault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n"}
			defer c.Close()
			tc := tls.Client(c, &tls.Config{ServerName: tt.sni, InsecureSkipVerify: true})
			err := tc.Handshake()
			if (err == nil) != tt.ok {
				t.Fatalf("handshake: got %v, want accepted %v", err, tt.ok)
			}
			if err == nil && tc.ConnectionState().PeerCertificates[0].VerifyHostname("a.vault.azure.net") != nil {
				t.Errorf("got a certificate for %q, want one for the host of CONNECT", tc.ConnectionState().PeerCertificates[0].DNSNames)
			}
		})
	}
}

func TestRefusedHostsAreLogged(t *testing.T) {
	f := start(t, nil)
	exchange(t, f.dialPlain(t), "CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n")
	if log := f.log.String(); !strings.Contains(log, "host=example.com:443") || strings.Contains(log, "c2VjcmV0") {
		t.Errorf("log: got %s, want the host and no credential", log)
	}
}
