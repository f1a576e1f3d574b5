package imds

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

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

func newTokenBody(t Token, resource string, now time.Time) tokenBody {
	left := seconds(int64(max(t.Expires.Sub(now)/time.Second-1, 0)))
	return tokenBody{
		AccessToken: t.Value, ClientID: t.ClientID, ExpiresIn: left, ExtendedExpires: left,
		ExpiresOn: seconds(t.Expires.Unix()), NotBefore: seconds(t.NotBefore.Unix()), Resource: resource, TokenType: "Bearer",
	}
}

func seconds(n int64) string { return strconv.FormatInt(n, 10) }

// errorBody is a refusal of the instance metadata service. It is JSON whatever
// the request was: clients parse it before they look at the status.
type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func writeToken(w http.ResponseWriter, body any) { writeJSON(w, http.StatusOK, body) }

func writeError(w http.ResponseWriter, e *Error, body any) {
	if e.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodGet)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", seconds(int64((e.RetryAfter+time.Second-1)/time.Second)))
	}
	writeJSON(w, e.Status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil { // of a struct of strings and numbers
		http.Error(w, "{}", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(encoded)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(encoded) // the client is gone
}
