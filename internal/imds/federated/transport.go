package federated

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// Binding is how AKS's token proxy in the cluster is reached, for identity bindings.
type Binding struct {
	URL        string // https URL without user, query and fragment
	ServerName string // of its certificate; the URL's host when empty
	CAFile     string // its authority, PEM, read again when it changes
	CAData     []byte // its authority, PEM; the system's when both are empty
}

func newTransport(config Config) (http.RoundTripper, error) {
	switch {
	case config.Transport != nil:
		return config.Transport, nil
	case config.Binding != nil:
		return newBound(config)
	}
	return plainTransport(config, &tls.Config{MinVersion: tls.VersionTLS12}), nil
}

// plainTransport speaks HTTP/1.1 only: a handful of requests an hour do not pay
// for HTTP/2's memory.
func plainTransport(config Config, tlsConfig *tls.Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy: config.Proxy, TLSClientConfig: tlsConfig, Protocols: protocols,
		DialContext:            (&net.Dialer{Timeout: 4 * time.Second}).DialContext,
		TLSHandshakeTimeout:    4 * time.Second,
		ResponseHeaderTimeout:  8 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxConnsPerHost:        8,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: 32 << 10,
	}
}

// bound sends requests for the token service to AKS's token proxy.
type bound struct {
	config Config
	to     *url.URL

	mu        sync.Mutex
	ca        []byte // that the transport trusts
	transport *http.Transport
}

func newBound(config Config) (*bound, error) {
	to, err := serviceURL(config.Binding.URL)
	if err != nil {
		return nil, fmt.Errorf("token proxy of the identity binding: %w", err)
	}
	if config.Binding.CAFile != "" && len(config.Binding.CAData) > 0 {
		return nil, errors.New("the identity binding's authority is given both as a file and as data")
	}
	b := &bound{config: config, to: to}
	_, err = b.current()
	return b, err
}

// RoundTrip implements http.RoundTripper.
func (b *bound) RoundTrip(r *http.Request) (*http.Response, error) {
	transport, err := b.current()
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Host = r.URL.Host // the token service's stays
	target := b.to.JoinPath(r.URL.EscapedPath())
	target.RawQuery = r.URL.RawQuery
	out.URL = target
	return transport.RoundTrip(out)
}

// CloseIdleConnections is called by http.Client.
func (b *bound) CloseIdleConnections() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.transport.CloseIdleConnections()
}

// current returns the transport, a new one if the authority's file has changed.
// A file that is empty for a moment changes nothing.
func (b *bound) current() (*http.Transport, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ca := b.config.Binding.CAData
	if file := b.config.Binding.CAFile; file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("authority of the identity binding: %w", err)
		}
		ca = text
	}
	if b.transport != nil && (len(ca) == 0 || bytes.Equal(ca, b.ca)) {
		return b.transport, nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: b.config.Binding.ServerName}
	if len(ca) > 0 || b.config.Binding.CAFile != "" {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("authority of the identity binding: there is no certificate in it")
		}
	}
	if b.transport != nil {
		b.transport.CloseIdleConnections()
	}
	b.ca, b.transport = ca, plainTransport(b.config, settings)
	return b.transport, nil
}
