package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
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
	in := originForm(r) // RFC 9112 section 3.2.2 has servers accept the absolute form
	in.Host = host.String()
	in.RemoteAddr = c.origin
	w, in.Body = g.watchProgress(w, r)
	g.Handler.ServeHTTP(w, in)
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

// refuse answers in plain text, since no service's error format applies yet.
func refuse(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Connection", "close") // what follows on the connection may not be HTTP
	w.WriteHeader(status)
	fmt.Fprintf(w, "aksess: %s\n", text)
}
