package azapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route is a compiled pattern.
type route struct {
	operation *Operation
	prefix    string   // name of a leading {name...}
	segments  []string // literals in lower case; parameters as "{name}"
	rest      string   // name of a trailing {name...}
	names     int      // how many parameters there are
}

func compile(operation *Operation) (route, error) {
	compiled := route{operation: operation}
	pattern, ok := strings.CutPrefix(operation.Pattern, "/")
	if !ok {
		return compiled, fmt.Errorf("pattern %q does not begin with a slash", operation.Pattern)
	}
	if pattern == "" {
		return compiled, nil // the root: Storage's operations on an account
	}
	segments := strings.Split(pattern, "/")
	for i, segment := range segments {
		name, variable := strings.CutPrefix(segment, "{")
		name, closed := strings.CutSuffix(name, "}")
		if variable != closed {
			return compiled, fmt.Errorf("pattern %q: unbalanced braces in %q", operation.Pattern, segment)
		}
		wild, many := strings.CutSuffix(name, "...")
		switch {
		case variable && many && i == len(segments)-1:
			compiled.rest = wild
			compiled.names++
		case variable && many && i == 0:
			compiled.prefix = wild
			compiled.names++
		case variable && many:
			return compiled, fmt.Errorf("pattern %q: %q must be first or last", operation.Pattern, segment)
		case variable:
			compiled.segments = append(compiled.segments, segment)
			compiled.names++
		default:
			compiled.segments = append(compiled.segments, strings.ToLower(segment))
		}
	}
	return compiled, nil
}

// shape is what two patterns must not share: the pattern without its names.
func (c route) shape() string {
	var b strings.Builder
	if c.prefix != "" {
		b.WriteString("{...}")
	}
	for _, segment := range c.segments {
		if strings.HasPrefix(segment, "{") {
			segment = "{}"
		}
		b.WriteString("/" + segment)
	}
	if c.rest != "" {
		b.WriteString("/{...}")
	}
	return b.String()
}

// maxPrefixed bounds the segments of a path that a leading {name...} is looked
// for in: an ARM id has 2048 characters at most, so no more segments than that.
// A longer path has no operation, which costs next to nothing to find out.
const maxPrefixed = 1024

// match returns the parameters when the escaped path segments fit, else nil.
func (c route) match(raw string, path []string) params {
	fixed := len(c.segments)
	if len(path) < fixed || (len(path) > fixed && c.prefix == "" && c.rest == "") {
		return nil
	}
	if c.prefix == "" {
		return c.matchAt(raw, path, 0)
	}
	if len(path) > maxPrefixed {
		return nil
	}
	if c.rest == "" {
		return c.matchAt(raw, path, len(path)-fixed)
	}
	for start := 0; start+fixed <= len(path); start++ {
		if params := c.matchAt(raw, path, start); params != nil {
			return params
		}
	}
	return nil
}

func (c route) matchAt(raw string, path []string, start int) params {
	for i, segment := range c.segments {
		if segment[:min(1, len(segment))] != "{" && !strings.EqualFold(segment, path[start+i]) {
			return nil
		}
	}
	found := make(params, 0, c.names)
	for i, segment := range c.segments {
		if strings.HasPrefix(segment, "{") {
			value, err := url.PathUnescape(path[start+i])
			if err != nil || value == "" {
				return nil
			}
			found = append(found, pair{segment[1 : len(segment)-1], value})
		}
	}
	if c.prefix != "" {
		found = append(found, pair{c.prefix, unescape(strings.Join(path[:start], "/"))})
	}
	if c.rest != "" {
		rest := unescape(restAfter(raw, start+len(c.segments)))
		if rest == "" {
			return nil
		}
		found = append(found, pair{c.rest, rest})
	}
	return found
}

func unescape(escaped string) string {
	value, err := url.PathUnescape(escaped)
	if err != nil {
		return ""
	}
	return value
}

// restAfter returns what follows the first n segments of a path, its slashes kept:
// the names of blobs and settings may hold doubled and trailing ones.
func restAfter(path string, n int) string {
	path = strings.TrimLeft(path, "/")
	for ; n > 0; n-- {
		_, after, _ := strings.Cut(path, "/")
		path = after
		if n > 1 {
			path = strings.TrimLeft(path, "/")
		}
	}
	return path
}

// weight orders routes: more literals first, wildcards last.
func (c route) weight() int {
	weight := 0
	for _, segment := range c.segments {
		weight += 2
		if !strings.HasPrefix(segment, "{") {
			weight += 100
		}
	}
	if c.prefix != "" {
		weight--
	}
	if c.rest != "" {
		weight--
	}
	return weight
}

// table finds the operation of a request among those of one service.
type table struct {
	routes    []route
	selectors []string
}

func newTable(service *Service) (*table, error) {
	t := &table{selectors: service.Selectors}
	seen := map[string]string{}
	for i := range service.Operations {
		operation := &service.Operations[i]
		compiled, err := compile(operation)
		if err != nil {
			return nil, err
		}
		key := operation.Method + " " + compiled.shape() + "?" + selectorKey(service.Selectors, operation.Query)
		if other, dup := seen[key]; dup {
			return nil, fmt.Errorf("operations %s and %s have the same pattern %s", other, operation.Name, key)
		}
		seen[key] = operation.Name
		t.routes = append(t.routes, compiled)
	}
	slices.SortStableFunc(t.routes, func(a, b route) int { return b.weight() - a.weight() })
	return t, nil
}

func selectorKey(selectors []string, query map[string]string) string {
	var b strings.Builder
	for _, name := range selectors {
		b.WriteString(name + "=" + query[name] + "&")
	}
	return b.String()
}

// find returns the operation and its parameters; else the methods that the path has.
func (t *table) find(r *http.Request, q query) (*Operation, params, []string) {
	raw := r.URL.EscapedPath()
	var room [16]string // on the stack: few paths are longer
	path := room[:0]
	if n := countSegments(raw); n > len(room) {
		path = make([]string, 0, n)
	}
	path = splitPath(path, raw)
	var allow []string
	for i := range t.routes {
		c := &t.routes[i]
		if !t.selected(c.operation, q) {
			continue
		}
		found := c.match(raw, path)
		if found == nil {
			continue
		}
		if c.operation.Method == r.Method {
			return c.operation, found, nil
		}
		if !slices.Contains(allow, c.operation.Method) {
			allow = append(allow, c.operation.Method)
		}
	}
	return nil, nil, allow
}

func (t *table) selected(operation *Operation, q query) bool {
	for _, name := range t.selectors {
		want := operation.Query[name]
		got := q.get(name)
		if want == "*" {
			if got == "" {
				return false
			}
			continue
		}
		if !strings.EqualFold(got, want) {
			return false
		}
	}
	return true
}

// countSegments is how many segments splitPath finds.
func countSegments(path string) int {
	n, inside := 0, false
	for i := range len(path) {
		if path[i] != '/' && !inside {
			n++
		}
		inside = path[i] != '/'
	}
	return n
}

// splitPath appends the segments of an escaped path, ignoring doubled and
// trailing slashes, as Azure's front ends do.
func splitPath(segments []string, path string) []string {
	for len(path) > 0 {
		var segment string
		segment, path, _ = strings.Cut(path, "/")
		if segment != "" {
			segments = append(segments, segment)
		}
	}
	return segments
}
