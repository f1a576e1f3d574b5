package aksess

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
)

// Client returns an HTTP client whose requests the local Azure answers in this
// process, without a socket. Requests to hosts that are not Azure's get 421.
func (a *Azure) Client() *http.Client { return &http.Client{Transport: transport{a}} }

// transport hands requests to the handler.
type transport struct{ azure *Azure }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := r.Clone(r.Context())
	inner.RequestURI = r.URL.RequestURI()
	inner.Host = r.Host
	if inner.Host == "" {
		inner.Host = r.URL.Host
	}
	inner.RemoteAddr = netip.AddrPortFrom(t.azure.address, 443).String()
	inner.Proto, inner.ProtoMajor, inner.ProtoMinor = "HTTP/1.1", 1, 1
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	defer inner.Body.Close()
	w := &recording{header: http.Header{}}
	if err := serve(t.azure, w, inner); err != nil {
		return nil, err
	}
	return w.response(r), nil
}

// serve hands a request to the handler. A handler that gives up after its first
// byte aborts, as it would on a connection.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			err = io.ErrUnexpectedEOF
		} else if p != nil {
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// recording collects an answer.
type recording struct {
	header http.Header
	sent   http.Header // as they were when the status was written
	status int
	body   bytes.Buffer
}

func (w *recording) Header() http.Header { return w.header }

func (w *recording) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recording) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *recording) response(r *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}
}
