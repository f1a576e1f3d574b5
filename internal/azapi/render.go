package azapi

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aksess/aksess/internal/fault"
)

// Dialect is how a service writes its errors.
type Dialect int

// The four dialects.
const (
	DialectARM     Dialect = iota // {"error":{"code","message","innererror":{"code"}}}: Resource Manager, Key Vault, Graph
	DialectStorage                // <Error><Code/><Message/></Error> and x-ms-error-code
	DialectProblem                // application/problem+json: App Configuration
	DialectOAuth                  // {"error","error_description"}: the token service
)

// Problem is the Detail of an App Configuration fault.
type Problem struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title,omitempty"`
	Name   string `json:"name,omitempty"`
	Detail string `json:"detail,omitempty"`
	Status int    `json:"status"`
}

// StorageDetail is the Detail of a Storage fault: more elements under Error.
type StorageDetail []struct{ Name, Value string }

func renderError(w http.ResponseWriter, r *Request, err error) {
	if r.Service.OwnErrors != nil {
		r.Service.OwnErrors(w, r, err)
		return
	}
	coded := Coded(err)
	for name, values := range coded.Header {
		w.Header()[name] = values
	}
	switch r.Service.Dialect {
	case DialectStorage:
		renderStorage(w, r, coded)
	case DialectProblem:
		renderProblem(w, r, coded)
	default:
		renderARM(w, r, coded)
	}
}

// Coded returns the error that a client may see: the coded error within err,
// else the internal one with err as its cause.
func Coded(err error) *fault.Error {
	var coded *fault.Error
	if errors.As(err, &coded) {
		return coded
	}
	return internal.New().With(err)
}

type armError struct {
	Error armErrorBody `json:"error"`
}

type armErrorBody struct {
	Code       string    `json:"code"`
	Message    string    `json:"message"`
	Target     string    `json:"target,omitempty"`
	InnerError *armInner `json:"innererror,omitempty"`
}

type armInner struct {
	Code string `json:"code"`
}

func renderARM(w http.ResponseWriter, r *Request, coded *fault.Error) {
	body := armErrorBody{Code: coded.Kind.Code, Message: clip(coded.Message)}
	if target, ok := coded.Detail.(string); ok {
		body.Target = target
	}
	if coded.Kind.Inner != "" {
		body.InnerError = &armInner{Code: coded.Kind.Inner}
	}
	w.Header().Set("x-ms-error-code", coded.Kind.Code)
	writeBody(w, r, coded.Kind.Status, "application/json; charset=utf-8", mustJSON(armError{Error: body}))
}

type storageError struct {
	XMLName xml.Name `xml:"Error"`
	Code    string   `xml:"Code"`
	Message string   `xml:"Message"`
	Extra   []storageExtra
}

type storageExtra struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

func renderStorage(w http.ResponseWriter, r *Request, coded *fault.Error) {
	message := clip(coded.Message) + "\nRequestId:" + r.ID + "\nTime:" + r.Now.UTC().Format("2006-01-02T15:04:05.0000000Z")
	body := storageError{Code: coded.Kind.Code, Message: message}
	if detail, ok := coded.Detail.(StorageDetail); ok {
		for _, element := range detail {
			body.Extra = append(body.Extra, storageExtra{XMLName: xml.Name{Local: element.Name}, Value: clip(element.Value)})
		}
	}
	encoded, err := encodeXML(body)
	if err != nil {
		encoded = nil
	}
	w.Header().Set("x-ms-error-code", coded.Kind.Code)
	writeBody(w, r, coded.Kind.Status, "application/xml", encoded)
}

func renderProblem(w http.ResponseWriter, r *Request, coded *fault.Error) {
	problem, ok := coded.Detail.(Problem)
	if !ok && (coded.Kind.Status == http.StatusNotFound || coded.Kind.Status == http.StatusPreconditionFailed) {
		writeBody(w, r, coded.Kind.Status, "", nil) // App Configuration answers these with an empty body
		return
	}
	if !ok {
		problem = Problem{Type: "https://azconfig.io/errors/" + coded.Kind.Code, Title: clip(coded.Message)}
	}
	problem.Status, problem.Detail = coded.Kind.Status, clip(problem.Detail)
	writeBody(w, r, coded.Kind.Status, "application/problem+json; charset=utf-8", mustJSON(problem))
}

func writeBody(w http.ResponseWriter, r *Request, status int, contentType string, body []byte) {
	h := w.Header()
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	if status == http.StatusTooManyRequests && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body) //nolint:errcheck // the client is gone; nobody is left to tell
	}
}

func mustJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return []byte("{}")
	}
	return body
}

// WriteJSON answers with v as JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; nobody is left to tell
	return nil
}

// WriteXML answers with v as XML, with the declaration that Storage clients expect.
func WriteXML(w http.ResponseWriter, status int, v any) error {
	body, err := encodeXML(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

// HTTPTime writes a time as HTTP headers and Storage do (RFC 9110, section 5.6.7).
func HTTPTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
