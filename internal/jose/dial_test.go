package jose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// TestRemoteURLs holds hostile issuers against a transport that must not be asked.
func TestRemoteURLs(t *testing.T) {
	hostile := []string{
		"", "/", "issuer", "http://example.com/", "HTTP://example.com", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
		"//example.com/", "https:", "https:/", "https://", "https:///path", "https://:443/", "https:example.com",
		"https://user@example.com/", "https://user:pw@example.com/", "https://example.com@attacker.example/", "https://@example.com/",
		"https://example.com/?query", "https://example.com/?", "https://example.com/#", "https://example.com/#fragment",
		"https://example.com\\@attacker.example/", `https://example.com\`, "https://example.com/a\\b",
		"https://example.com/ ", " https://example.com/", "https://exam ple.com/", "https://example.com/\n", "https://example.com/\r\nHost: x",
		"https://example.com/\t", "https://example.com/\x00", "https://example.com/\u00e4", "https://ex\u0430mple.com/", "https://example.com/\u200b",
		"https://example.com:port/", "https://example.com:443:443/", "https://[::1", "https://::1/", "https://example.com/%zz", "https://%31/",
		"https://" + strings.Repeat("a", 4096) + ".example/", "javascript:alert(1)", "data:application/json,{}", "unix:///run/docker.sock",
		"kubernetes/serviceaccount", "jar:https://example.com!/", "https//example.com/", "\\\\example.com\\share",
	}
	web := &fakeWeb{hits: map[string]int{}, pages: map[string]page{}}
	r := NewRemote(RemoteConfig{Transport: web})
	for _, issuer := range hostile {
		if _, err := r.Keys(t.Context(), issuer, ""); !errors.Is(err, ErrForbidden) || !errors.Is(err, ErrUnreachable) {
			t.Errorf("Keys(%.60q): got %v, want %v", issuer, err, ErrForbidden)
		}
	}
	if len(web.hits) != 0 {
		t.Errorf("got requests %v, want none", web.hits)
	}
}

// forbiddenAddresses live in every range that is not public, some in disguise.
func forbiddenAddresses() []string {
	return []string{
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.255.255",
		"169.254.169.254", "169.254.0.1", "100.64.0.1", "100.127.255.254", "168.63.129.16", "192.0.0.1", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1", "2001::1", "2001:db8::1", "2001:10::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::127.0.0.1", "::a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "3fff::1",
	}
}

// TestRemoteAddresses: 0 connections outside the policy, whether the address is
// in the URL or behind a name.
func TestRemoteAddresses(t *testing.T) {
	var dialled []string
	var answer []netip.Addr
	r := NewRemote(RemoteConfig{
		LookupIP: func(context.Context, string, string) ([]netip.Addr, error) { return answer, nil },
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return nil, errors.New("dialled")
		},
	})
	for _, address := range forbiddenAddresses() {
		ip := netip.MustParseAddr(address)
		answer = []netip.Addr{ip}
		literal := "https://" + net.JoinHostPort(strings.Replace(address, "%", "%25", 1), "443") + "/"
		for _, issuer := range []string{literal, "https://name-of-" + strings.NewReplacer(":", "-", "%", "-").Replace(address) + ".example/"} {
			if _, err := r.Keys(t.Context(), issuer, ""); !errors.Is(err, ErrForbidden) {
				t.Errorf("%s at %s: got %v, want %v", issuer, address, err, ErrForbidden)
			}
		}
	}
	if len(dialled) != 0 {
		t.Errorf("got connections to %v, want none", dialled)
	}
	answer = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("::ffff:93.184.216.35"), netip.MustParseAddr("2606:2800:220:1::1")}
	_, err := r.Keys(t.Context(), "https://mixed.example/", "")
	want := []string{"93.184.216.34:443", "93.184.216.35:443", "[2606:2800:220:1::1]:443"}
	if errors.Is(err, ErrForbidden) || strings.Join(dialled, " ") != strings.Join(want, " ") {
		t.Errorf("got %v after connections to %v, want %v", err, dialled, want)
	}
}

func TestRemoteAllowPrivate(t *testing.T) {
	allowed := &dialer{private: true}
	for _, address := range []string{"127.0.0.1", "::1", "10.0.0.1", "169.254.1.1", "fd00::1"} {
		if !allowed.allows(netip.MustParseAddr(address)) {
			t.Errorf("%s is refused with AllowPrivate", address)
		}
	}
	for _, address := range []string{"0.0.0.0", "::", "224.0.0.1", "ff02::1", "fe80::1%eth0"} {
		if allowed.allows(netip.MustParseAddr(address)) {
			t.Errorf("%s is allowed with AllowPrivate", address)
		}
	}
}

// TestRemoteOverTLS uses the real transport: a pinned address, own roots and a
// name that resolves differently the second time.
func TestRemoteOverTLS(t *testing.T) {
	web := goodWeb(t, "a")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, web.pages["https://example.com"+request.URL.Path].body)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that fails below
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	lookups := 0
	var dialled []string
	config := RemoteConfig{
		RootCAs: roots,
		LookupIP: func(context.Context, string, string) ([]netip.Addr, error) {
			if lookups++; lookups > 1 {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil // rebinding
			}
			return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
		},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}
	r := NewRemote(config)
	defer r.Close()
	if kids, err := ask(t, r, "a"); kids != "a" || err != nil {
		t.Fatalf("got %q, %v, want a", kids, err)
	}
	for _, address := range dialled {
		if address != "93.184.216.34:443" {
			t.Errorf("got a connection to %s, want only 93.184.216.34:443", address)
		}
	}
	config.RootCAs = x509.NewCertPool()
	lookups = 0
	strict := NewRemote(config)
	defer strict.Close()
	_, err := ask(t, strict, "a")
	if wrong := new(tls.CertificateVerificationError); !errors.As(err, &wrong) || !errors.Is(err, ErrUnreachable) {
		t.Errorf("without the root: got %v, want a certificate error", err)
	}
}
