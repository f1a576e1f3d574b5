package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// serveTLS passes a request on to Handler in the form that the package comment
// promises, or refuses it.
func (g *Gateway) serveTLS(w http.ResponseWriter, r *http.Request) {
	c := connOf(r)
	session := strings.ToLower(r.TLS.ServerName)
	if session == "" {
		session = c.localName()
	}
	host, err := requestHost(r, session)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("Host %.260q: %v", r.Host, err))
		return
	case host.host != session:
		// RFC 9110 section 15.5.20: the client shall try again on a connection
		// made for that host. It keeps HTTP/2 clients from sharing connections.
		refuse(w, http.StatusMisdirectedRequest, fmt.Sprintf("the request is for the host %q, but the connection was made for %q", host.host, session))
		return
	case r.Method == http.MethodConnect || !strings.HasPrefix(r.URL.Path, "/"):
		refuse(w, http.StatusBadRequest, "the request target is not a path")
		return
	}
	if host.port == 443 {
		host.port = 0
	}
	in := *r
	in.Host = host.String()
	in.RemoteAddr = c.origin
	if r.URL.Host != "" { // absolute form, which RFC 9112 section 3.2.2 has servers accept
		u := *r.URL
		u.Scheme, u.Host, u.User = "", "", nil
		in.URL = &u
	}
	if r.Body != nil && r.Body != http.NoBody {
		in.Body = &progressBody{ReadCloser: r.Body, rc: http.NewResponseController(w), stall: g.limits.stall}
	}
	g.Handler.ServeHTTP(w, &in)
}

// oneBodyOnly ends a connection after a request in chunks. A request that also
// has a Content-Length must end it (RFC 9112 section 6.3), because something in
// front of us may have taken what follows for the body; net/http drops that
// field unseen, so all chunked requests of HTTP/1 pay with a new connection.
// The Azure SDKs send lengths.
func oneBodyOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// requestHost reads the Host of a request. Only HTTP/1.0 may leave it out.
func requestHost(r *http.Request, session string) (authority, error) {
	if r.Host == "" && !r.ProtoAtLeast(1, 1) {
		return authority{host: session}, nil
	}
	a, err := parseAuthority(r.Host)
	if err == nil && r.URL.User != nil {
		err = errors.New("has user information in the request target")
	}
	return a, err
}

// progressBody ends a request whose body makes no progress for the stall time,
// without a limit on how long a large upload may take.
type progressBody struct {
	io.ReadCloser
	rc    *http.ResponseController
	stall time.Duration
	armed time.Time
}

// Read sets the deadline at most four times in the stall time, and clears it at
// the end of the body: from there on a read waits for the client to go away.
func (b *progressBody) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(b.armed) > b.stall/4 {
		if err := b.rc.SetReadDeadline(now.Add(b.stall)); err != nil {
			return 0, err
		}
		b.armed = now
	}
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		if clearErr := b.rc.SetReadDeadline(time.Time{}); clearErr != nil {
			return n, clearErr
		}
	}
	return n, err
}

// refuse answers in plain text, since no service's error format applies yet.
func refuse(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Connection", "close") // what follows on the connection may not be HTTP
	w.WriteHeader(status)
	fmt.Fprintf(w, "aksess: %s\n", text)
}
