package inject

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Operation is one step of an RFC 6902 JSON patch. Op is add or replace;
// nothing is ever removed.
type Operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

// Result is what the webhook would do to a pod.
type Result struct {
	Patch    []Operation // empty when the pod is skipped or already has everything
	Warnings []string    // what a user should know, each at most a few hundred bytes
	Summary  Summary     // what the patch adds
	Skipped  string      // why the pod is left alone; empty for a pod that takes part
	Token    Token       // the token that the pod gets; zero for a skipped pod
}

// Summary counts what a patch adds, for a description on one line.
type Summary struct {
	Containers int // containers that gain a variable or a mount
	Variables  int
	Mounts     int
	Volumes    int
	Proxy      bool // the proxy's containers are added
}

// Token describes the projected token.
type Token struct {
	Audience   string
	Expiration int64 // seconds
	File       string
}

func (s Summary) String() string {
	if s == (Summary{}) {
		return "nothing to add"
	}
	text := fmt.Sprintf("%s: %s, %s; %s",
		plural(s.Containers, "container"), plural(s.Variables, "variable"), plural(s.Mounts, "mount"), plural(s.Volumes, "volume"))
	if s.Proxy {
		text += "; the proxy"
	}
	return text
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// AppendPatch appends the operations as the JSON document that an admission
// response carries.
func AppendPatch(dst []byte, patch []Operation) []byte {
	dst = append(dst, '[')
	for i, op := range patch {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"op":"`...)
		dst = append(dst, op.Op...)
		dst = append(dst, `","path":"`...)
		dst = append(dst, op.Path...) // made here: ASCII, nothing to escape
		dst = append(dst, `","value":`...)
		dst = append(dst, op.Value...)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// escapePointer writes one segment of a JSON pointer (RFC 6901, section 3).
func escapePointer(segment string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(segment)
}

// encode marshals one of this package's own values, all of which are plain
// strings and numbers.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err))
	}
	return raw
}

// list wraps values into a JSON array.
func list(values ...json.RawMessage) json.RawMessage {
	n := 2
	for _, v := range values {
		n += len(v) + 1
	}
	array := append(make([]byte, 0, n), '[')
	for i, v := range values {
		if i > 0 {
			array = append(array, ',')
		}
		array = append(array, v...)
	}
	return append(array, ']')
}
