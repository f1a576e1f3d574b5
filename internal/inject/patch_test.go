package inject

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// apply is RFC 6902 for add, replace and test, the only operations a patch may
// hold. It works on the generic form, so that nothing is lost on the way.
func apply(t testing.TB, document []byte, patch []Operation) []byte {
	t.Helper()
	var doc any
	unmarshal(t, document, &doc)
	for _, op := range patch {
		var value any
		unmarshal(t, op.Value, &value)
		var err error
		if doc, err = applyOne(doc, op.Op, splitPointer(op.Path), value); err != nil {
			t.Fatalf("%s %s: %v", op.Op, op.Path, err)
		}
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func unmarshal(t testing.TB, raw []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
}

func splitPointer(pointer string) []string {
	segments := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, s := range segments {
		segments[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(s)
	}
	return segments
}

func applyOne(node any, op string, path []string, value any) (any, error) {
	key, rest := path[0], path[1:]
	switch node := node.(type) {
	case map[string]any:
		child, ok := node[key]
		if len(rest) == 0 {
			if !ok && op != "add" {
				return nil, fmt.Errorf("%q does not exist", key)
			}
			if op == "test" {
				return node, equal(child, value)
			}
			node[key] = value
			return node, nil
		}
		if !ok {
			return nil, fmt.Errorf("%q does not exist", key)
		}
		changed, err := applyOne(child, op, rest, value)
		node[key] = changed
		return node, err
	case []any:
		return applyArray(node, op, key, rest, value)
	}
	return nil, fmt.Errorf("%T has no member %q", node, key)
}

func applyArray(node []any, op, key string, rest []string, value any) (any, error) {
	if key == "-" && op == "add" && len(rest) == 0 {
		return append(node, value), nil
	}
	index, err := strconv.Atoi(key)
	if err != nil || index < 0 || index > len(node) || index == len(node) && (op != "add" || len(rest) > 0) {
		return nil, fmt.Errorf("no element %q among %d", key, len(node))
	}
	switch {
	case len(rest) > 0:
		node[index], err = applyOne(node[index], op, rest, value)
		return node, err
	case op == "add":
		return slices.Insert(node, index, value), nil
	case op == "test":
		return node, equal(node[index], value)
	}
	node[index] = value
	return node, nil
}

func equal(got, want any) error {
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		return fmt.Errorf("test: got %s, want %s", g, w)
	}
	return nil
}

func TestApplyIsRFC6902(t *testing.T) {
	document := []byte(`{"a":[1,2],"b":{"x/y":1}}`)
	patch := []Operation{
		{"add", "/a/-", json.RawMessage("4")}, {"add", "/a/2", json.RawMessage("3")}, {"add", "/a/0", json.RawMessage("0")},
		{"replace", "/b/x~1y", json.RawMessage("2")}, {"add", "/c", json.RawMessage("[]")},
	}
	want := `{"a":[0,1,2,3,4],"b":{"x/y":2},"c":[]}`
	if got := compact(t, apply(t, document, patch)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func compact(t testing.TB, raw []byte) string {
	t.Helper()
	var v any
	unmarshal(t, raw, &v)
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestAppendPatch(t *testing.T) {
	patch := []Operation{{"add", "/a", json.RawMessage(`{"b":1}`)}, {"replace", "/c/0", json.RawMessage(`"d"`)}}
	want, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(AppendPatch(nil, patch)); got != string(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}
