package entra

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// errorBody is Entra's error answer
// (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#error-response).
type errorBody struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri,omitempty"`
}

// renderError writes a refusal as the token service does. The pipeline's own
// becomes AADSTS90023; any other error without a code of ours becomes
// AADSTS50000 and says nothing of its cause.
func renderError(w http.ResponseWriter, r *azapi.Request, err error) {
	var coded *fault.Error
	switch found := errors.As(err, &coded); {
	case found && coded.Kind.Inner == "" && coded.Kind.Status == http.StatusBadRequest:
		coded = badRequest.New(coded.Message).With(err)
	case !found || coded.Kind.Inner == "":
		coded = internalError.New().With(err)
	}
	h := w.Header()
	for name, values := range coded.Header {
		h[name] = values
	}
	if coded.Kind.Status == http.StatusUnauthorized && r.Request.Header.Get("Authorization") != "" {
		h.Set("WWW-Authenticate", "Basic") // RFC 6749, section 5.2
	}
	timestamp := r.Now.UTC().Format("2006-01-02 15:04:05Z")
	correlation := correlationID(r)
	body := errorBody{
		Error: coded.Kind.Inner,
		Description: coded.Kind.Code + ": " + oneLine(coded.Message) +
			" Trace ID: " + r.ID + " Correlation ID: " + correlation + " Timestamp: " + timestamp,
		Codes: []int{}, Timestamp: timestamp, TraceID: r.ID, CorrelationID: correlation,
	}
	if number, err := strconv.Atoi(strings.TrimPrefix(coded.Kind.Code, "AADSTS")); err == nil {
		body.Codes = append(body.Codes, number)
		if coded.Kind != zeroClient && coded.Kind != unsupportedGrant { // these two come without
			body.URI = authority + "/error?code=" + strconv.Itoa(number)
		}
	}
	_ = azapi.WriteJSON(w, coded.Kind.Status, body) // a struct of strings always encodes
}

// correlationID is the client's request id when it is a GUID, else the request's own id.
func correlationID(r *azapi.Request) string {
	for _, id := range []string{r.Request.Header.Get("client-request-id"), r.Query("client-request-id")} {
		if chain.IsGUID(id) {
			return id
		}
	}
	return r.ID
}

// oneLine keeps what a client sent from breaking the description, which is one line.
func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, text)
}

// clip shortens what a client sent before it is repeated to it and to the log.
func clip(value string) string {
	const most = 1024
	if len(value) <= most {
		return value
	}
	return strings.ToValidUTF8(value[:most], "") + "…"
}

// headers are on every answer of the token service.
func headers(h http.Header, r *azapi.Request) {
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("x-ms-ests-server", "aksess")
	if !strings.EqualFold(r.Request.Header.Get("return-client-request-id"), "true") {
		return
	}
	if id := r.Request.Header.Get("client-request-id"); chain.IsGUID(id) {
		h.Set("client-request-id", id)
	}
}
