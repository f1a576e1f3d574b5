package gateway

import (
	"net/netip"
	"strings"
	"testing"
)

func TestServedNames(t *testing.T) {
	ca := newCA(t, CAConfig{})
	served := []string{"login.microsoftonline.com", "LOGIN.microsoftonline.com.", "a.vault.azure.net", "a.b.vault.azure.net", "widemo.azconfig.io",
		"widemo.blob.core.windows.net", "widemo.queue.core.windows.net", "westeurope.oic.prod-aks.azure.com", "x.hcp.westeurope.azmk8s.io",
		"localhost", "vault.aksess.localhost", "westeurope.login.microsoft.com", "graph.microsoft.com", "sts.windows.net"}
	for _, name := range served {
		if !ca.Serves(name) {
			t.Errorf("%q: got not served, want served", name)
		}
	}
	other := []string{"", ".", "com", "azure.com", "azure.net", "microsoftonline.com", "xlogin.microsoftonline.com", "evilvault.azure.net",
		"vault.azure.net.evil.example", "login.microsoftonline.com:443", "*.vault.azure.net", "a..vault.azure.net", ".vault.azure.net",
		"127.0.0.1", "a vault.azure.net", "a/vault.azure.net", "ａ.vault.azure.net", "-a.vault.azure.net", strings.Repeat("a.", 130) + "vault.azure.net"}
	for _, name := range other {
		if ca.Serves(name) {
			t.Errorf("%q: got served, want not served", name)
		}
	}
}

func TestParseAuthority(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Login.MicrosoftOnline.com:443", "login.microsoftonline.com:443"},
		{"a.vault.azure.net.", "a.vault.azure.net"},
		{"a.vault.azure.net.:0443", "a.vault.azure.net:443"},
		{"127.0.0.1:80", "127.0.0.1:80"},
		{"[::1]", "[::1]"},
		{"[0:0::1]:80", "[::1]:80"},
		{"[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80"},
		{"", ""}, {":443", ""}, {"a:", ""}, {"a:0", ""}, {"a:65536", ""}, {"a:-1", ""}, {"a:+1", ""}, {"a:1:2", ""}, {"a: 1", ""},
		{"a@b:1", ""}, {"[::1", ""}, {"[::1]x", ""}, {"[::1%eth0]:1", ""}, {"[127.0.0.1]:1", ""}, {"[]:1", ""}, {"::1", ""},
		{"a/b:1", ""}, {"a\\b:1", ""}, {"a%2eb:1", ""}, {"a b:1", ""}, {"a\x00:1", ""}, {"a..b:1", ""},
	}
	for _, tt := range tests {
		got, err := parseAuthority(tt.in)
		if tt.want == "" {
			if err == nil {
				t.Errorf("parseAuthority(%q): got %q, want an error", tt.in, got)
			}
			continue
		}
		if err != nil || got.String() != tt.want {
			t.Errorf("parseAuthority(%q): got %q (%v), want %q", tt.in, got, err, tt.want)
		}
	}
}

// FuzzAuthority: what is accepted has one spelling, and what is served is a
// plain DNS name, never an address.
func FuzzAuthority(f *testing.F) {
	for _, seed := range []string{"a.vault.azure.net:443", "A.VAULT.azure.net.:443", "[::1]:443", "[fe80::1%25eth0]:443", "u@login.microsoftonline.com:443",
		"127.0.0.1:80", "0x7f.1:80", "2130706433", "a..b", "a:00443", "[::ffff:169.254.169.254]:80", "ａ.vault.azure.net", "vault.azure.net\x00.evil:443"} {
		f.Add(seed)
	}
	names, err := newNameSet(DefaultNames())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in string) {
		a, err := parseAuthority(in)
		if err != nil {
			return
		}
		again, err := parseAuthority(a.String())
		if err != nil || again != a {
			t.Errorf("parseAuthority(%q) = %q, read again %q (%v), want the same", in, a, again, err)
		}
		if a.host != strings.ToLower(a.host) || strings.ContainsAny(a.host, "@/\\%?#[] \x00*") {
			t.Errorf("parseAuthority(%q): got the host %q, want a plain one", in, a.host)
		}
		addr, addrErr := netip.ParseAddr(a.host)
		if (addrErr == nil) != a.addr.IsValid() || (addrErr == nil && addr != a.addr) {
			t.Errorf("parseAuthority(%q): got address %v for host %q, want them to agree", in, a.addr, a.host)
		}
		if names.serves(a.host) && (a.addr.IsValid() || len(a.host) > maxName) {
			t.Errorf("parseAuthority(%q): got %q served, want names only", in, a.host)
		}
	})
}

// FuzzFirstBytes sends what no client would: the gateway answers or closes, and
// serves the next client. Nothing but an exact CONNECT reaches a served host.
func FuzzFirstBytes(f *testing.F) {
	for _, seed := range []string{"\x16", "\x16\x03\x01\x00\x05hello", "\x80\x2e\x01\x03\x01", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"CONNECT a.vault.azure.net:443 HTTP/1.1\r\nHost: a\r\n\r\n\x16\x03\x01", "CONNECT x@a.vault.azure.net:443 HTTP/1.0\r\n\r\n",
		"GET http://169.254.169.254/metadata HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x05\x01\x00", "\x00", "\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	g := start(f, nil)
	f.Fuzz(func(t *testing.T, in []byte) {
		got := exchange(t, g.dialPlain(t), string(in))
		if strings.Contains(got, "HTTP/1.1 200 Connection established") && !strings.Contains(strings.ToUpper(string(in)), "CONNECT") {
			t.Errorf("%q: got a tunnel, want none", in)
		}
		if strings.HasPrefix(got, "HTTP/1.1 500") {
			t.Errorf("%q: got %q, want no internal error", in, got)
		}
		if got := exchange(t, g.dialPlain(t), "GET /next HTTP/1.0\r\n\r\n"); !strings.Contains(got, "control /next") {
			t.Errorf("after %q: got %q, want the next client served", in, got)
		}
	})
}
