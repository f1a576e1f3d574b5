package azapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
)

// Request is an admitted request with what the pipeline learned about it.
type Request struct {
	*http.Request
	ID        string // the request id that the answer carries
	Host      string // lower case, without port
	Service   *Service
	Operation *Operation // nil until the route is known
	Version   string     // api-version as sent
	Target    Target
	Caller    Caller
	Origin    access.Origin
	Verdict   access.Verdict // why it was admitted
	Now       time.Time

	params params
	query  query
	scope  string // once it was asked for
	deps   *Server
	local  *translation // nil for callers that use Azure's names
}

// pair is a parameter with its value. Requests have few of them, and a list of
// few is quicker made and searched than a map.
type pair struct{ name, value string }

type params []pair

type query []pair

// Caller is who sent the request. The zero Caller is anonymous.
type Caller struct {
	access.Principal
	UserName string    // of the user whose token it is, "" for an application's
	Scheme   string    // "Bearer", or another scheme that the service checks itself
	Issuer   string    // iss of the token
	Audience string    // aud of the token
	Expires  time.Time // exp of the token
	Key      string    // name of the target's own key that the caller signed with: "key1"; "" for tokens
}

// Name is what refusals call the caller: a user by the name, an application by
// its client id.
func (c Caller) Name() string { return cmp.Or(c.UserName, c.AppID) }

// Principal returns the groups that a principal is in now, and whether it is
// there. A scheme asks for whom its credential names; for tokens the
// Authenticator has said so.
func (r *Request) Principal(ctx context.Context, objectID string) (groups []string, found bool, err error) {
	if r.deps.config.Principals == nil {
		return nil, true, nil
	}
	return r.deps.config.Principals(ctx, objectID)
}

// Param returns the decoded value of a {parameter} of the pattern, "" if it has none.
func (r *Request) Param(name string) string {
	for i := range r.params {
		if r.params[i].name == name {
			return r.params[i].value
		}
	}
	return ""
}

// Query returns the first value of a query parameter. Names compare without
// case and after decoding: clients send $Select, api%2Dversion and After.
func (r *Request) Query(name string) string { return r.query.get(name) }

// QueryValues returns all values of a query parameter.
func (r *Request) QueryValues(name string) []string {
	var values []string
	for i := range r.query {
		if strings.EqualFold(r.query[i].name, name) {
			values = append(values, r.query[i].value)
		}
	}
	return values
}

// HasQuery reports whether the query parameter is there, with or without a value.
func (r *Request) HasQuery(name string) bool {
	return slices.ContainsFunc(r.query, func(p pair) bool { return strings.EqualFold(p.name, name) })
}

func (q query) get(name string) string {
	for i := range q {
		if strings.EqualFold(q[i].name, name) {
			return q[i].value
		}
	}
	return ""
}

// ResourceName is the first label of the host: the vault, store or account.
func (r *Request) ResourceName() string {
	name, _, _ := strings.Cut(r.Host, ".")
	return name
}

// BaseURL is https and the host as the client wrote it, without a path.
func (r *Request) BaseURL() string { return "https://" + r.Request.Host }

// ErrBody is what DecodeJSON returns when the body is not what was asked for.
// Its text is safe to show.
type ErrBody struct {
	TooLarge bool
	Reason   string
}

func (e *ErrBody) Error() string { return e.Reason }

// ReadBody reads the whole body within the operation's limit.
func (r *Request) ReadBody() ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, &ErrBody{TooLarge: true, Reason: fmt.Sprintf("the request body is larger than %d bytes", tooLarge.Limit)}
	}
	if err != nil {
		return nil, &ErrBody{Reason: "the request body ended early"}
	}
	return body, nil
}

// DecodeJSON decodes the body into v. Members that v does not know are ignored,
// as Azure does. The error is an *ErrBody.
func (r *Request) DecodeJSON(v any) error {
	body, err := r.ReadBody()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return &ErrBody{Reason: describeJSON(err)}
	}
	return nil
}

func describeJSON(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return fmt.Sprintf("the value of %q is a %s, not a %s", kind.Field, kind.Value, kind.Type.Kind())
	case errors.As(err, &syntax):
		return fmt.Sprintf("the request body is not valid JSON at byte %d", syntax.Offset)
	default:
		return "the request body is not valid JSON"
	}
}

// originOf takes the caller's address from the connection, never from a header.
func originOf(r *http.Request) access.Origin {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return access.Origin{}
	}
	return access.Origin{Address: address.Addr().Unmap()}
}

// maxQuery bounds the parameters of a query; no operation takes a tenth of it.
const maxQuery = 256

// parseQuery reads a query, decoding names and values. It is not ok, and empty,
// when a part cannot be decoded or there are more than maxQuery of them. A
// semicolon is a letter.
func parseQuery(raw string) (q query, ok bool) {
	q = make(query, 0, 4)
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || len(q) == maxQuery {
			return nil, false
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, false
		}
		q = append(q, pair{name, value})
	}
	return q, true
}
