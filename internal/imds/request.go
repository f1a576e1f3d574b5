package imds

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/chain"
)

// Bounds of a request.
const (
	maxQuery    = 8 << 10 // bytes
	maxResource = 2048
	maxSelector = 2048
)

// request is what a client asks for.
type request struct {
	selector Selector
	resource string
}

// checkMetadata refuses what did not come from a program on the machine that
// means this service.
func checkMetadata(r *http.Request) *Error {
	if err := CheckHeader(r.Header); err != nil {
		return err
	}
	return checkPath(r)
}

// CheckHeader refuses a request that lacks the header "Metadata: true", has it
// more than once or gives it up to the next hop, and one that came by way of a
// proxy. It holds for every path of the instance metadata service.
func CheckHeader(header http.Header) *Error {
	if values := header["Metadata"]; len(values) != 1 || !strings.EqualFold(values[0], "true") || hopByHop(header, "Metadata") {
		return refuse("Required metadata header not specified")
	}
	return checkForwarded(header)
}

// hopByHop reports whether the header Connection lists a name
// (https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1).
func hopByHop(header http.Header, name string) bool {
	for _, list := range header["Connection"] {
		for option := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(option), name) {
				return true
			}
		}
	}
	return false
}

// checkForwarded takes the spellings that servers behind a proxy have taken for
// the header's name, and its standard successor.
func checkForwarded(header http.Header) *Error {
	for name := range header {
		if name == "Forwarded" || len(name) == len("X-Forwarded-For") && strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "X-Forwarded-For") {
			return refuse("X-Forwarded-For header is not allowed")
		}
	}
	return nil
}

// checkPath refuses what is no GET, and what brings a body along.
func checkPath(r *http.Request) *Error {
	if r.Method != http.MethodGet {
		return &Error{Status: http.StatusMethodNotAllowed, Code: invalidRequest, Description: "The endpoint takes GET requests only"}
	}
	if r.ContentLength != 0 {
		return refuse("The request has a body, which the endpoint does not take")
	}
	return nil
}

// readRequest reads the query of a token request. Names of parameters compare
// without case; oldest is the oldest api-version.
func readRequest(r *http.Request, oldest string) (request, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return request{}, refuse("The query is too long")
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return request{}, refuse("The query cannot be read")
	}
	q := query{}
	for name, list := range values {
		q[strings.ToLower(name)] = append(q[strings.ToLower(name)], list...)
	}
	version, err := q.one("api-version")
	switch {
	case err != nil:
		return request{}, err
	case version == "":
		return request{}, refuse("Required query variable 'api-version' is missing")
	case !isVersion(version, oldest):
		return request{}, refuse("Invalid 'api-version' requested")
	}
	resource, err := q.one("resource")
	switch {
	case err != nil:
		return request{}, err
	case resource == "":
		return request{}, refuse("Required query variable 'resource' is missing")
	case len(resource) > maxResource:
		return request{}, refuse("The query variable 'resource' is too long")
	case strings.ContainsFunc(resource, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return request{}, refuse("The query variable 'resource' is not printable")
	}
	selector, err := q.selector()
	return request{selector: selector, resource: resource}, err
}

// query holds parameters under their names in lower case.
type query map[string][]string

// one returns a parameter's only value, "" if it is not there.
func (q query) one(name string) (string, error) {
	switch values := q[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", refuse("The query variable '" + name + "' is there more than once")
	}
}

// selector reads the parameters that name an identity, under all the names that
// clients have for them.
func (q query) selector() (Selector, error) {
	var s Selector
	named := 0
	for _, parameter := range []struct {
		name string
		into *string
		good func(string) bool
	}{
		{"client_id", &s.ClientID, chain.IsGUID},
		{"object_id", &s.ObjectID, chain.IsGUID}, {"principal_id", &s.ObjectID, chain.IsGUID},
		{"msi_res_id", &s.ResourceID, isResourceID}, {"mi_res_id", &s.ResourceID, isResourceID}, {"msi-res-id", &s.ResourceID, isResourceID},
	} {
		value, err := q.one(parameter.name)
		if err != nil {
			return Selector{}, err
		}
		if value == "" {
			continue
		}
		if !parameter.good(value) {
			// No identity has such a name, and clients understand this.
			return Selector{}, IdentityNotFound()
		}
		*parameter.into = value
		named++
	}
	if named > 1 {
		return Selector{}, refuse("The request names more than one identity")
	}
	return s, nil
}

// isVersion reports whether an api-version is a date that is not before the oldest.
func isVersion(version, oldest string) bool {
	_, err := time.Parse(time.DateOnly, version)
	return err == nil && version >= oldest
}

func isResourceID(s string) bool {
	return len(s) <= maxSelector && len(s) > 1 && s[0] == '/'
}
