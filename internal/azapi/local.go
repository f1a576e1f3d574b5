package azapi

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Local is a second set of names for the served hosts, for clients that come
// without the proxy: all under one suffix that resolves to this machine, with
// the port of the listener. Services see Azure's own names; what they answer,
// and what clients send back, is translated on the way, so that the resources
// are the same whichever way a client comes.
type Local struct {
	names []localName
	tail  string // "." and the suffix
}

// localName is one pair: a host, or a suffix below which the resources are.
type localName struct {
	azure, local string
	below        bool // names below it are meant, not only itself
}

// NewLocal returns the names under a suffix such as "aksess.localhost".
func NewLocal(suffix string) *Local {
	suffix = strings.ToLower(suffix)
	return &Local{tail: "." + suffix, names: []localName{
		{azure: "management.azure.com", local: "management." + suffix},
		{azure: "login.microsoftonline.com", local: "login." + suffix},
		{azure: "graph.microsoft.com", local: "graph." + suffix},
		{azure: "vault.azure.net", local: "vault." + suffix, below: true},
		{azure: "azconfig.io", local: "azconfig." + suffix, below: true},
		{azure: "core.windows.net", local: "core." + suffix, below: true},
	}}
}

// translation is what one client sees: the names with the port that it used.
type translation struct {
	names []localName
	port  string // ":8443", or "" for 443
}

// of returns the translation for a request to a local name, and Azure's name of
// the host; nil for any other.
func (l *Local) of(r *http.Request, host string) (*translation, string) {
	if l == nil || !strings.HasSuffix(host, l.tail) {
		return nil, host
	}
	for _, n := range l.names {
		if host == n.local {
			return l.translation(r), n.azure
		}
		if name, ok := strings.CutSuffix(host, "."+n.local); ok && n.below {
			return l.translation(r), name + "." + n.azure
		}
	}
	return nil, host
}

func (l *Local) translation(r *http.Request) *translation {
	t := &translation{names: l.names}
	if colon := strings.LastIndexByte(r.Host, ':'); colon >= 0 {
		t.port = r.Host[colon:]
	}
	return t
}

// Local reports whether the caller uses the local names: what is answered must
// then name hosts as BaseURL does.
func (r *Request) Local() bool { return r.local != nil }

// Canonical returns a text that a client sent with the local names in it, such
// as the resource that it wants a token for, with Azure's names instead.
func (r *Request) Canonical(text string) string {
	if r.local == nil {
		return text
	}
	for _, n := range r.local.names {
		text = string(replaceName([]byte(text), n.local+r.local.port, n.azure, n.below))
	}
	return text
}

func (t *translation) localize(text []byte) []byte {
	for _, n := range t.names {
		text = replaceName(text, n.azure, n.local+t.port, n.below)
	}
	return text
}

func (t *translation) localizeHeaders(h http.Header) {
	for _, name := range []string{"Location", "Azure-Asyncoperation", "Www-Authenticate", "Link"} {
		localized := slices.Clone(h[name]) // the slice may be shared between answers
		for i := range localized {
			localized[i] = string(t.localize([]byte(localized[i])))
		}
		if localized != nil {
			h[name] = localized
		}
	}
}

// replaceName replaces a host name where it stands as one: not as a part of a
// longer name, unless names below it are meant.
func replaceName(text []byte, old, new string, below bool) []byte {
	if !bytes.Contains(text, []byte(old)) {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for from := 0; ; {
		at := bytes.Index(text[from:], []byte(old))
		if at < 0 {
			return append(out, text[from:]...)
		}
		at += from
		end := at + len(old)
		out = append(out, text[from:at]...)
		if whole(text, at, end, below) {
			out = append(out, new...)
		} else {
			out = append(out, old...)
		}
		from = end
	}
}

// whole reports whether text[at:end] is a name of its own, or the end of one below it.
func whole(text []byte, at, end int, below bool) bool {
	if end < len(text) && (nameByte(text[end]) || text[end] == '.' && end+1 < len(text) && nameByte(text[end+1])) {
		return false
	}
	if at == 0 {
		return true
	}
	return !nameByte(text[at-1]) && (below || text[at-1] != '.')
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// canonicalBody gives the handler a body in Azure's names. Only bodies that a
// handler reads whole are translated, so the operation's limit holds.
func (r *Request) canonicalBody() {
	if r.local == nil || !r.Service.NamesHosts || r.Operation == nil || r.Operation.Stream {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil { // it ended early or is too large: the handler words it
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		body = r.canonicalForm(body)
	} else {
		body = []byte(r.Canonical(string(body)))
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
}

func (r *Request) canonicalForm(body []byte) []byte {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return body // the handler refuses it
	}
	for name, values := range form {
		for i := range values {
			values[i] = r.Canonical(values[i])
		}
		form[name] = values
	}
	return []byte(form.Encode())
}

// localWriter translates an answer. A body is held back until it is complete,
// since a name may be cut in two by two writes.
type localWriter struct {
	http.ResponseWriter
	translation *translation
	bodies      bool
	status      int
	body        bytes.Buffer
}

func (w *localWriter) WriteHeader(status int) {
	if w.status != 0 || status < 200 {
		return
	}
	w.status = status
	w.translation.localizeHeaders(w.Header())
	if !w.bodies {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *localWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.bodies {
		return w.body.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection's writer.
func (w *localWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// flush sends what was held back.
func (w *localWriter) flush() {
	if !w.bodies || w.status == 0 {
		return
	}
	body := w.translation.localize(w.body.Bytes())
	if w.Header().Get("Content-Length") != "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.ResponseWriter.WriteHeader(w.status)
	_, _ = w.ResponseWriter.Write(body) // the client is gone
}
