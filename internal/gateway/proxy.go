package gateway

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// metadataHost is the address of the instance metadata service on every Azure
// machine; clients reach it over plain HTTP, through HTTP_PROXY when set, or by
// CONNECT.
const metadataHost = "169.254.169.254"

// servePlain answers what arrives in the clear.
func (g *Gateway) servePlain(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		g.connect(w, r)
	case r.URL.Scheme != "" || r.URL.Host != "":
		g.forward(w, r)
	default:
		g.own(w, r)
	}
}

// connect answers CONNECT (RFC 9110 section 9.3.6) of any HTTP version. The
// Host field is not looked at: the request target says all.
func (g *Gateway) connect(w http.ResponseWriter, r *http.Request) {
	to, err := parseAuthority(r.RequestURI)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("CONNECT %.260q: %v", r.RequestURI, err))
	case to.port == 0:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("CONNECT %q: has no port, want host:port", to))
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("CONNECT %q: has a body, want none", to))
	case g.CA.names.serves(to.host) && to.port == 443:
		g.take(w, r, to, g.tunneled)
	case isMetadata(to) && g.Plain != nil: // Java's SDK sends http through an HTTPS proxy this way
		g.take(w, r, to, g.plain)
	case g.CA.names.serves(to.host):
		g.refuseHost(w, r, to, fmt.Sprintf("CONNECT %s: %s is served on port 443 only", to, to.host))
	case g.Passthrough:
		g.tunnel(w, r, to)
	default:
		g.refuseUnknown(w, r, to)
	}
}

// take turns the connection into one to a served host, for the server behind
// the handoff.
func (g *Gateway) take(w http.ResponseWriter, r *http.Request, to authority, server *handoff) {
	c, err := hijack(w, r)
	if err != nil {
		g.Logger.Debug("taking over a proxy connection", "host", to.host, "err", err)
		return
	}
	c.target = to.host
	if err := established(c); err != nil {
		c.Close()
		return
	}
	server.deliver(c)
}

func established(c *conn) error {
	_, err := c.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
	return err
}

// hijack takes the connection from its server, together with whatever the
// client sent without waiting for the answer.
func hijack(w http.ResponseWriter, r *http.Request) (*conn, error) {
	c := connOf(r)
	_, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	ahead, err := readAhead(rw.Reader)
	if err != nil {
		c.Close()
		return nil, err
	}
	c.head = append(ahead, c.head...)
	c.write.armed = time.Time{} // net/http has cleared the deadlines
	return c, nil
}

func readAhead(r *bufio.Reader) ([]byte, error) {
	b, err := r.Peek(r.Buffered())
	return append([]byte(nil), b...), err
}

// forward answers a request in absolute form: the metadata service, or a host
// on the real network when those are let through.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request) {
	to, err := parseAuthority(r.URL.Host)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("%s %.260q: %v", r.Method, r.URL.Host, err))
	case r.URL.User != nil:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("%s http://%s: has user information, want none", r.Method, to))
	case !strings.EqualFold(r.URL.Scheme, "http"):
		refuse(w, http.StatusBadRequest, fmt.Sprintf("%s %.20q to %s: a proxy takes only http this way, want CONNECT", r.Method, r.URL.Scheme, to))
	case isMetadata(to):
		g.metadata(w, r)
	case to.isAddr(connOf(r).LocalAddr()): // a client that goes through the proxy even to the proxy
		g.own(w, originForm(r))
	case g.CA.names.serves(to.host):
		g.refuseHost(w, r, to, fmt.Sprintf("%s http://%s: %s is served over https only", r.Method, to, to.host))
	case g.Passthrough:
		g.relay(w, r, to)
	default:
		g.refuseUnknown(w, r, to)
	}
}

func isMetadata(a authority) bool {
	return a.host == metadataHost && (a.port == 0 || a.port == 80)
}

func (g *Gateway) metadata(w http.ResponseWriter, r *http.Request) {
	if g.Plain == nil {
		refuse(w, http.StatusForbidden, "the instance metadata service is not served here")
		return
	}
	in := originForm(r)
	in.Host = metadataHost
	g.Plain.ServeHTTP(w, in)
}

// originForm returns a copy of a request whose URL has path and query only, as
// handlers know it from requests that came without a proxy.
func originForm(r *http.Request) *http.Request {
	in, u := *r, *r.URL
	u.Scheme, u.Host, u.User = "", "", nil
	in.URL = &u
	return &in
}

// own answers a request in origin form, which is meant for this listener. The
// Host must be one that a web page cannot make its own by DNS: an address, or a
// name that was configured.
func (g *Gateway) own(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/") {
		refuse(w, http.StatusBadRequest, "the request target is not a path")
		return
	}
	host, err := requestHost(r, "localhost")
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("Host %.260q: %v", r.Host, err))
	case isMetadata(host):
		g.metadata(w, r)
	case !host.addr.IsValid() && !g.control.serves(host.host) && g.CA.names.serves(host.host):
		g.refuseHost(w, r, host, fmt.Sprintf("%s is served over https only", host.host))
	case !host.addr.IsValid() && !g.control.serves(host.host):
		g.refuseHost(w, r, host, fmt.Sprintf("the request is for %s, which is not a name of this listener", host))
	case g.Control == nil:
		refuse(w, http.StatusNotFound, "this listener is a proxy; set HTTPS_PROXY to it")
	default:
		g.Control.ServeHTTP(w, r)
	}
}

func (g *Gateway) refuseHost(w http.ResponseWriter, r *http.Request, to authority, text string) {
	g.Logger.Warn("refused a proxy request", "peer", r.RemoteAddr, "method", r.Method, "host", to.String())
	refuse(w, http.StatusForbidden, text)
}

func (g *Gateway) refuseUnknown(w http.ResponseWriter, r *http.Request, to authority) {
	g.refuseHost(w, r, to, fmt.Sprintf("refused %s: this local Azure answers only Azure's hosts (%s, and names below them). "+
		"Start it with --passthrough to let other hosts through to the real network.", to, strings.Join(g.CA.Names(), ", ")))
}
