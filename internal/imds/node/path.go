package node

import (
	"fmt"
	"net/http"
	"path"
	"strings"
	"unicode"
)

// Rule lets requests with a method and a path pass, and those for what is below
// the path.
type Rule struct {
	Method string // GET, which stands for HEAD too, or POST
	Path   string // "/metadata/instance"
}

// DefaultRules returns what passes unless told otherwise; see the package comment.
func DefaultRules() []Rule {
	return []Rule{
		{http.MethodGet, "/metadata/instance"}, {http.MethodGet, "/metadata/versions"},
		{http.MethodGet, "/metadata/loadbalancer"}, {http.MethodGet, "/metadata/scheduledevents"},
	}
}

// ParseRules reads a list as it is written on the command line: "none", or paths
// with commas between them, each with "POST " in front if it is not for reading.
func ParseRules(text string) ([]Rule, error) {
	if text == "none" {
		return nil, nil
	}
	var rules []Rule
	for item := range strings.SplitSeq(text, ",") {
		rule := Rule{http.MethodGet, strings.TrimSpace(item)}
		if rest, ok := strings.CutPrefix(rule.Path, "POST "); ok {
			rule = Rule{http.MethodPost, strings.TrimSpace(rest)}
		}
		if err := rule.validate(); err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func (r Rule) validate() error {
	switch {
	case !isPlain(r.Path) || strings.HasSuffix(r.Path, "/"):
		return fmt.Errorf("%q is no plain path like /metadata/instance", r.Path)
	case IsIdentity(r.Path) || strings.HasPrefix(identityPath+"/", strings.ToLower(r.Path)+"/"):
		return fmt.Errorf("%q would let %s pass, which is the node's identity", r.Path, identityPath)
	}
	return nil
}

// matches takes the path itself and what is below it.
func (r Rule) matches(method, requestPath string) bool {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	rest, ok := strings.CutPrefix(requestPath, r.Path)
	return ok && method == r.Method && (rest == "" || rest[0] == '/')
}

// isPlain reports whether a path can be read in one way only: segments of
// letters, digits and .-_~, none of them empty but the last, none of dots only.
func isPlain(p string) bool {
	rest, ok := strings.CutPrefix(p, "/")
	if !ok {
		return false
	}
	segments := strings.Split(rest, "/")
	for i, segment := range segments {
		if segment == "" && i < len(segments)-1 || segment != "" && strings.Trim(segment, ".") == "" || strings.ContainsFunc(segment, notPlain) {
			return false
		}
	}
	return true
}

func notPlain(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_~", c)
}

const identityPath = "/metadata/identity"

// IsIdentity reports whether any reading of a path leads below
// /metadata/identity: decoded however often, with backslashes, doubled slashes,
// dots, parameters behind semicolons, control characters and other cases of a
// letter taken as careless servers take them. It is the second lock: what the
// list lets pass is plain already.
func IsIdentity(p string) bool {
	for range maxDecodings {
		end := strings.IndexFunc(p+"\x00", func(c rune) bool { return c < ' ' || c == '?' || c == '#' })
		for _, reading := range []string{p, p[:end], cutParameters(p)} {
			if isBelowIdentity(reading) {
				return true
			}
		}
		decoded := decodeOnce(p)
		if decoded == p {
			return false
		}
		p = decoded
	}
	return true // nobody encodes as often and means well
}

const maxDecodings = 8

func isBelowIdentity(p string) bool {
	p = strings.Map(func(c rune) rune {
		switch {
		case c == '\\':
			return '/'
		case c <= ' ' || c == 0x7f || c == unicode.ReplacementChar:
			return -1
		}
		return fold(c)
	}, p)
	if i := strings.Index(p, "://"); i >= 0 { // absolute-form
		p = p[i+len("://"):]
		if i = strings.IndexByte(p, '/'); i >= 0 {
			p = p[i:]
		}
	}
	p = path.Clean("/" + p)
	return p == identityPath || strings.HasPrefix(p, identityPath+"/") || strings.HasPrefix(p, identityPath+":") || strings.Contains(p, identityPath+"/oauth2")
}

// fold makes one of all the cases of a letter: the Kelvin sign is a k, the long s
// an s, the dotless i an i.
func fold(c rune) rune {
	least := c
	for other := unicode.SimpleFold(c); other != c; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return unicode.ToLower(unicode.ToUpper(least))
}

// cutParameters drops what follows a semicolon in each segment.
func cutParameters(p string) string {
	segments := strings.Split(strings.ReplaceAll(p, `\`, "/"), "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

// decodeOnce undoes one layer of percent-encoding, %uXXXX included, and leaves
// alone what is none.
func decodeOnce(p string) string {
	var out strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '%' {
			if c, size := decodeEscape(p[i:]); size > 0 {
				if size == len("%uXXXX") {
					out.WriteRune(c)
				} else {
					out.WriteByte(byte(c))
				}
				i += size - 1
				continue
			}
		}
		out.WriteByte(p[i])
	}
	return out.String()
}

// decodeEscape returns the byte or character and the length of its escape, 0 if
// there is none.
func decodeEscape(p string) (c rune, size int) {
	from, size := 1, len("%XX")
	if len(p) > 1 && (p[1] == 'u' || p[1] == 'U') {
		from, size = 2, len("%uXXXX")
	}
	if len(p) < size {
		return 0, 0
	}
	for _, digit := range []byte(p[from:size]) {
		n := strings.IndexByte("0123456789abcdef", digit|0x20)
		if digit < '0' || n < 0 || digit|0x20 != digit && digit > '9' && digit < 'A' {
			return 0, 0
		}
		c = c<<4 | rune(n)
	}
	return c, size
}
