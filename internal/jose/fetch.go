package jose

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds on what is fetched.
const (
	maxDocumentBytes = 1 << 20
	maxURLBytes      = 2048
	maxRedirects     = 3
	discoveryPath    = "/.well-known/openid-configuration"
)

// fetched is the outcome of asking an issuer.
type fetched struct {
	keys     KeySet
	url      string // of the key set
	lifetime time.Duration
}

// fetch asks the issuer for its discovery document and then for its keys
// (OpenID Connect Discovery 1.0, section 4).
func (r *Remote) fetch(ctx context.Context, issuer string) (fetched, error) {
	err := checkURL(issuer) // before a path is added, which could complete a broken one
	if err == nil && strings.Contains(issuer, "?") {
		err = refuse(ErrForbidden, "URL with a query")
	}
	if err != nil {
		return fetched{}, &FetchError{Reason: ErrUnreachable, Issuer: issuer, Err: err}
	}
	discovery, _, err := r.get(ctx, issuer, strings.TrimSuffix(issuer, "/")+discoveryPath)
	if err != nil {
		return fetched{}, err
	}
	keysURL, err := parseDiscovery(discovery.body, issuer)
	if err != nil {
		reason := ErrDocument
		if errors.Is(err, ErrIssuerMismatch) {
			reason = ErrIssuerMismatch
		}
		return fetched{}, &FetchError{Reason: reason, Issuer: issuer, URL: discovery.url, Status: http.StatusOK, Err: err}
	}
	document, header, err := r.get(ctx, issuer, keysURL)
	if err != nil {
		return fetched{}, err
	}
	keys, err := ParseJWKS(document.body)
	if err != nil {
		return fetched{}, &FetchError{Reason: ErrDocument, Issuer: issuer, URL: keysURL, Status: http.StatusOK, Err: err}
	}
	return fetched{keys: keys, url: keysURL, lifetime: lifetime(header)}, nil
}

// parseDiscovery returns the address of the key set of a document that is the issuer's own.
func parseDiscovery(document []byte, issuer string) (keysURL string, err error) {
	var own string
	err = visitObject(document, func(name, value []byte) error {
		var target *string
		switch string(name) {
		case "issuer":
			target = &own
		case "jwks_uri":
			target = &keysURL
		default:
			return nil
		}
		var err error
		if *target, err = unquote(value); err != nil {
			return fmt.Errorf("%s is not a string", name)
		}
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case own == "":
		return "", errors.New("no issuer in the discovery document")
	case own != issuer:
		return "", refuse(ErrIssuerMismatch, "the discovery document is of %s", quote(own))
	case keysURL == "":
		return "", errors.New("no jwks_uri in the discovery document")
	}
	return keysURL, nil
}

type document struct {
	url  string
	body []byte
}

// get fetches one document; every failure is a *FetchError.
func (r *Remote) get(ctx context.Context, issuer, address string) (document, http.Header, error) {
	fail := func(reason error, status int, err error) (document, http.Header, error) {
		return document{}, nil, &FetchError{Reason: reason, Issuer: issuer, URL: shown(address), Status: status, Err: err}
	}
	if err := checkURL(address); err != nil {
		return fail(ErrUnreachable, 0, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fail(ErrUnreachable, 0, err)
	}
	// A key set has a media type of its own (RFC 7517, section 8.5), and
	// kube-apiserver answers 406 to a client that does not take it.
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	response, err := r.client.Do(request)
	if err != nil {
		var wrapped *url.Error // it repeats the URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fail(ErrUnreachable, 0, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fail(ErrUnreachable, response.StatusCode, nil)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocumentBytes+1))
	if err != nil {
		return fail(ErrUnreachable, response.StatusCode, err)
	}
	if len(body) > maxDocumentBytes {
		return fail(ErrDocument, response.StatusCode, fmt.Errorf("more than %d bytes", maxDocumentBytes))
	}
	return document{url: address, body: body}, response.Header, nil
}

// shown keeps a hostile address from filling a log.
func shown(address string) string {
	return strings.Trim(quote(address), `"`)
}

// checkURL allows https to a named host, nothing that two parsers could read differently.
func checkURL(address string) error {
	if len(address) > maxURLBytes {
		return refuse(ErrForbidden, "URL of %d bytes, at most %d are accepted", len(address), maxURLBytes)
	}
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return refuse(ErrForbidden, "URL with the byte %q", c)
		}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return refuse(ErrForbidden, "not a URL")
	case u.Scheme != "https":
		return refuse(ErrForbidden, "scheme %s, https is required", quote(u.Scheme))
	case u.Opaque != "" || u.Hostname() == "":
		return refuse(ErrForbidden, "URL without a host")
	case u.User != nil:
		return refuse(ErrForbidden, "URL with a user")
	case u.Fragment != "" || strings.Contains(address, "#"):
		return refuse(ErrForbidden, "URL with a fragment")
	}
	return nil
}

func newClient(config RemoteConfig) *http.Client {
	transport := config.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  nil, // whose addresses no policy here would see
			DialContext:            newDialer(config).dial,
			TLSClientConfig:        &tls.Config{RootCAs: config.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    config.Timeout,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // the size limit is for what is read
			MaxIdleConns:           16,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &http.Client{Transport: transport, CheckRedirect: checkRedirect}
}

// checkRedirect keeps redirects on the host that was asked.
func checkRedirect(request *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return refuse(ErrForbidden, "more than %d redirects", maxRedirects)
	}
	if request.URL.Host != via[0].URL.Host {
		return refuse(ErrForbidden, "redirect to another host, %s", quote(request.URL.Host))
	}
	return checkURL(request.URL.String())
}

// lifetime reads how long an answer may be kept (RFC 9111, section 5.2.2).
func lifetime(header http.Header) time.Duration {
	age := defaultLifetime
	for _, line := range header.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return minLifetime
			case "max-age":
				if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
					age = time.Duration(seconds) * time.Second
				}
			}
		}
	}
	return min(max(age, minLifetime), maxLifetime)
}
