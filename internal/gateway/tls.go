package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

func nextProtos() []string { return []string{"h2", "http/1.1"} }

// tlsConfig is shared by all connections, so that session tickets work across
// them: the SDKs of several languages open a connection for every request.
func (g *Gateway) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: strongSuites(),
		NextProtos:   nextProtos(),
		// The certificate is chosen in two steps because only a configuration
		// without certificates makes crypto/tls send the alert unrecognized_name.
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if _, err := g.sessionName(hello); err != nil {
				g.Logger.Warn("refused a TLS handshake", "peer", hello.Conn.RemoteAddr(), "err", err)
				return &tls.Config{MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}, nil
			}
			return nil, nil
		},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name, err := g.sessionName(hello)
			if err != nil {
				return nil, err
			}
			return g.CA.leaves.get(name)
		},
	}
}

// strongSuites are the suites of TLS 1.2 with forward secrecy and authenticated
// encryption that fit an ECDSA certificate. Those of TLS 1.3 are not a choice.
func strongSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// sessionName is the name that a handshake is for: the server name, which must
// be served and must be the host that CONNECT named when the connection came
// through the proxy.
func (g *Gateway) sessionName(hello *tls.ClientHelloInfo) (string, error) {
	c, _ := hello.Conn.(*conn)
	if hello.ServerName == "" {
		if name := c.localName(); name != "" {
			return name, nil
		}
		return "", errors.New("client sent no server name, want the name of an Azure host")
	}
	name, err := hostName(hello.ServerName)
	switch {
	case err != nil:
		return "", fmt.Errorf("server name %.260q: %w", hello.ServerName, err)
	case !g.CA.names.serves(name):
		return "", fmt.Errorf("server name %q is not a host of this local Azure", name)
	case c.target != "" && c.target != name:
		return "", fmt.Errorf("server name is %q, want %q as named to the proxy", name, c.target)
	}
	return name, nil
}

// tlsListener makes an http.Server see TLS connections, which is how net/http
// comes to speak HTTP/2 on connections that it did not accept itself.
type tlsListener struct {
	net.Listener
	config *tls.Config
}

func (l tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(c, l.config), nil
}
