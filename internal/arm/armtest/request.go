package armtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/arm"
)

// Request is one request. Its zero members have the usual values.
type Request struct {
	Method  string // default GET
	Path    string // an id; api-version is added unless there is one, or the path ends in "?"
	As      string // caller; default Owner, "-" sends no token
	Body    any    // string or []byte as it is, anything else as JSON
	Headers map[string]string
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request.
func (s *Server) Do(r Request) Response {
	s.T.Helper()
	path := r.Path
	switch {
	case strings.HasSuffix(path, "?"):
		path = strings.TrimSuffix(path, "?")
	case strings.Contains(path, "api-version"):
	case strings.Contains(path, "?"):
		path += "&api-version=" + Version
	default:
		path += "?api-version=" + Version
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	request, err := http.NewRequest(r.Method, s.URL+path, reader(s.T, r.Body))
	if err != nil {
		s.T.Fatalf("making %s %s: %v", r.Method, path, err)
	}
	request.Host = arm.Host
	if r.As == "" {
		r.As = Owner
	}
	if r.As != "-" {
		request.Header.Set("Authorization", "Bearer "+r.As)
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.Headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.T.Fatalf("%s %s: %v", r.Method, path, err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.T.Fatalf("reading the answer to %s %s: %v", r.Method, path, err)
	}
	return Response{Status: response.StatusCode, Header: response.Header, Body: string(body)}
}

func reader(t testing.TB, body any) io.Reader {
	switch body := body.(type) {
	case nil:
		return nil
	case string:
		return strings.NewReader(body)
	case []byte:
		return strings.NewReader(string(body))
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatalf("encoding a body: %v", err)
		}
		return strings.NewReader(string(encoded))
	}
}

// Want sends a request and fails the test unless the answer has the status and,
// where code is not "", the error code.
func (s *Server) Want(r Request, status int, code string) Response {
	s.T.Helper()
	response := s.Do(r)
	if response.Status != status || (code != "" && response.Code() != code) {
		s.T.Fatalf("%s %s as %q: got %d %s, want %d %s\n%s", r.Method, r.Path, r.As, response.Status, response.Code(), status, code, response.Body)
	}
	return response
}

// Code is the error code of the answer, "" when it has none.
func (r Response) Code() string {
	var body struct {
		Error struct{ Code string }
	}
	_ = json.Unmarshal([]byte(r.Body), &body) // an answer without a JSON body has no code
	return body.Error.Code
}

// Message is the error message of the answer.
func (r Response) Message() string {
	var body struct {
		Error struct{ Message string }
	}
	_ = json.Unmarshal([]byte(r.Body), &body) // an answer without a JSON body has no message
	return body.Error.Message
}

// Get is the value at a path of members, such as "properties.clientId" or
// "value.0.id"; "" when there is none. Objects and lists come as JSON.
func (r Response) Get(path string) string {
	var value any
	if json.Unmarshal([]byte(r.Body), &value) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return ""
			}
			value = v[i]
		default:
			return ""
		}
	}
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		encoded, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(encoded)
	}
}

// Len is how many elements a list has.
func (r Response) Len() int {
	var body struct{ Value []json.RawMessage }
	if json.Unmarshal([]byte(r.Body), &body) != nil {
		return -1
	}
	return len(body.Value)
}
