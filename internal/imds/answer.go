package imds

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Answer is the answer with a token. What is left of the token's life changes
// with each second, so it is encoded again only as often. An Answer is safe for
// concurrent use and must not be copied.
type Answer struct {
	body    tokenBody
	expires time.Time
	encoded atomic.Pointer[encoding]
}

// encoding is an answer as it goes to clients during one second.
type encoding struct {
	left int64 // seconds
	text []byte
}

// tokenBody is the answer with a token. Every value is a string; clients need
// expires_on.
type tokenBody struct {
	AccessToken     string `json:"access_token"`
	ClientID        string `json:"client_id"`
	ExpiresIn       string `json:"expires_in"`
	ExpiresOn       string `json:"expires_on"`
	ExtendedExpires string `json:"ext_expires_in"`
	NotBefore       string `json:"not_before"`
	Resource        string `json:"resource"`
	TokenType       string `json:"token_type"`
}

// NewAnswer returns the answer with a token for a resource, which is repeated
// as the client wrote it.
func NewAnswer(t Token, resource string) *Answer {
	return &Answer{expires: t.Expires, body: tokenBody{
		AccessToken: t.Value, ClientID: t.ClientID, ExpiresOn: seconds(t.Expires.Unix()),
		NotBefore: seconds(t.NotBefore.Unix()), Resource: resource, TokenType: "Bearer",
	}}
}

// JSON returns the answer as a client gets it at a time. The caller must not
// change it.
func (a *Answer) JSON(now time.Time) ([]byte, error) {
	left := max(int64(a.expires.Sub(now)/time.Second)-1, 0)
	if last := a.encoded.Load(); last != nil && last.left == left {
		return last.text, nil
	}
	body := a.body
	body.ExpiresIn = seconds(left)
	body.ExtendedExpires = body.ExpiresIn
	text, err := json.Marshal(body)
	if err != nil { // of a struct of strings
		return nil, err
	}
	a.encoded.Store(&encoding{left: left, text: text})
	return text, nil
}

func seconds(n int64) string { return strconv.FormatInt(n, 10) }

// errorBody is a refusal of the instance metadata service. It is JSON whatever
// the request was: clients parse it before they look at the status.
type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// WriteError answers with a refusal as the instance metadata service words it.
func WriteError(w http.ResponseWriter, e *Error) {
	writeError(w, e, errorBody{Error: e.Code, Description: e.Description})
}

func writeError(w http.ResponseWriter, e *Error, body any) {
	if e.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodGet)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", seconds(int64((e.RetryAfter+time.Second-1)/time.Second)))
	}
	encoded, err := json.Marshal(body)
	if err != nil { // of a struct of strings and numbers
		http.Error(w, "{}", http.StatusInternalServerError)
		return
	}
	writeJSON(w, e.Status, encoded)
}

// writeAnswer answers with a token.
func writeAnswer(w http.ResponseWriter, a *Answer, now time.Time) error {
	text, err := a.JSON(now)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, text)
	return nil
}

func writeJSON(w http.ResponseWriter, status int, encoded []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(encoded)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(encoded) // the client is gone
}
