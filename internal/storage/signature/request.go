package signature

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Request is what of an HTTP request is signed.
type Request struct {
	Method   string
	Account  string      // as the host names it
	Path     string      // escaped, as it was sent
	RawQuery string      // as it was sent
	Header   http.Header // canonical names, as Go's server has them
	Length   int64       // of the body; -1 when it is not declared
}

// Form is which text of a request is signed
// (https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key).
type Form int

// The four forms.
const (
	SharedKey     Form = iota // blobs, queues and files
	SharedKeyLite             // the same, with fewer headers
	Table                     // SharedKey of tables
	TableLite                 // SharedKeyLite of tables
)

// Texts returns the texts that a signer of the request may have signed: one,
// or two when names of x-ms-* headers sort differently bytewise, as some SDKs
// have it, and in the order of words, as the others and the service have it.
func (r Request) Texts(form Form) []string {
	switch form {
	case Table:
		return []string{strings.Join([]string{r.Method, r.get("Content-MD5"), r.get("Content-Type"), r.date(), r.brief()}, "\n")}
	case TableLite:
		return []string{r.date() + "\n" + r.brief()}
	}
	names := r.headers()
	texts := []string{r.text(form, names)}
	words := slices.Clone(names)
	slices.SortStableFunc(words, compareWords)
	if !slices.Equal(names, words) {
		texts = append(texts, r.text(form, words))
	}
	return texts
}

func (r Request) text(form Form, names []string) string {
	date := r.get("Date")
	if r.Header.Get("x-ms-date") != "" {
		date = ""
	}
	var b strings.Builder
	if form == SharedKeyLite {
		for _, field := range []string{r.Method, r.get("Content-MD5"), r.get("Content-Type"), date} {
			b.WriteString(field + "\n")
		}
		r.writeHeaders(&b, names)
		return b.String() + r.brief()
	}
	for _, field := range []string{
		r.Method, r.get("Content-Encoding"), r.get("Content-Language"), r.length(), r.get("Content-MD5"), r.get("Content-Type"), date,
		r.get("If-Modified-Since"), r.get("If-Match"), r.get("If-None-Match"), r.get("If-Unmodified-Since"), r.get("Range"),
	} {
		b.WriteString(field + "\n")
	}
	r.writeHeaders(&b, names)
	r.writeResource(&b)
	return b.String()
}

func (r Request) get(name string) string { return r.Header.Get(name) }

// date is what tables sign: x-ms-date, else Date.
func (r Request) date() string {
	if date := r.get("x-ms-date"); date != "" {
		return date
	}
	return r.get("Date")
}

// length is empty when there is no body; until 2014-02-14 an empty body of a
// write had the length 0.
func (r Request) length() string {
	if r.Length > 0 {
		return strconv.FormatInt(r.Length, 10)
	}
	if version := r.get("x-ms-version"); version != "" && version <= "2014-02-14" && (r.Method == http.MethodPut || r.Method == http.MethodPost) {
		return "0"
	}
	return ""
}

// headers are the names of the x-ms-* headers, in lower case and order.
func (r Request) headers() []string {
	var names []string
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-ms-") {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	return names
}

func (r Request) writeHeaders(b *strings.Builder, names []string) {
	for _, name := range names {
		b.WriteString(name)
		b.WriteByte(':')
		values := r.Header[http.CanonicalHeaderKey(name)]
		for i, value := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.TrimSpace(value))
		}
		b.WriteByte('\n')
	}
}

// writeResource writes the account, the path and every query parameter.
func (r Request) writeResource(b *strings.Builder) {
	b.WriteString("/" + r.Account + r.Path)
	query := r.query()
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := query[name]
		slices.Sort(values)
		b.WriteString("\n" + name + ":" + strings.Join(values, ","))
	}
}

// brief is the resource of tables and of the Lite forms: of the query, only comp.
func (r Request) brief() string {
	resource := "/" + r.Account + r.Path
	if comp := r.query()["comp"]; len(comp) > 0 {
		resource += "?comp=" + comp[0]
	}
	return resource
}

// query decodes the query; names are in lower case.
func (r Request) query() map[string][]string {
	query := map[string][]string{}
	for part := range strings.SplitSeq(r.RawQuery, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name = strings.ToLower(decode(name))
		query[name] = append(query[name], decode(value))
	}
	return query
}

func decode(text string) string {
	if decoded, err := url.QueryUnescape(text); err == nil {
		return decoded
	}
	return text
}

// compareWords sorts as words are sorted: hyphens do not count, and other signs
// come before digits and those before letters.
func compareWords(a, b string) int {
	i, j := 0, 0
	for {
		for i < len(a) && a[i] == '-' {
			i++
		}
		for j < len(b) && b[j] == '-' {
			j++
		}
		if i == len(a) || j == len(b) {
			break
		}
		if by := weight(a[i]) - weight(b[j]); by != 0 {
			return by
		}
		i, j = i+1, j+1
	}
	switch {
	case i < len(a):
		return 1
	case j < len(b):
		return -1
	}
	return len(a) - len(b) // the same but for hyphens: fewer of them first
}

func weight(c byte) int {
	switch {
	case c >= 'a' && c <= 'z':
		return 1024 + int(c)
	case c >= '0' && c <= '9':
		return 512 + int(c)
	}
	return int(c)
}
