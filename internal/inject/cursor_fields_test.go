package inject

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestCursorKnowsEveryField: a field that the types have and the cursor does
// not would be read from odd reviews only, and one that it knows but does not
// compare without case would be read by encoding/json alone.
func TestCursorKnowsEveryField(t *testing.T) {
	body, err := json.Marshal(everyField(t, reflect.TypeFor[review]()))
	if err != nil {
		t.Fatal(err)
	}
	if !checkCursor(t, body) {
		t.Fatalf("%s is odd", body)
	}
	keys := regexp.MustCompile(`"([a-zA-Z]+)":`).FindAllIndex(body, -1)
	if len(keys) < 30 {
		t.Fatalf("got %d keys in %s", len(keys), body)
	}
	for _, key := range keys {
		other := bytes.Clone(body)
		copy(other[key[0]:key[1]], bytes.ToUpper(body[key[0]:key[1]]))
		if checkCursor(t, other) {
			t.Errorf("%s in another case is read, want it left to encoding/json", body[key[0]:key[1]])
		}
	}
}

// everyField is JSON for a type with a value in each of its fields. Keys of
// maps and of what nobody looks into have a digit.
func everyField(t *testing.T, of reflect.Type) any {
	t.Helper()
	if of == reflect.TypeFor[json.RawMessage]() {
		return map[string]any{"x1": true}
	}
	switch of.Kind() {
	case reflect.Pointer:
		return everyField(t, of.Elem())
	case reflect.Slice:
		return []any{everyField(t, of.Elem())}
	case reflect.Map:
		return map[string]any{"k1": everyField(t, of.Elem())}
	case reflect.String:
		return "value"
	case reflect.Bool:
		return true
	case reflect.Int64:
		return 7
	case reflect.Struct:
		object := map[string]any{}
		for i := range of.NumField() {
			field := of.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" {
				name = strings.ToLower(field.Name)
			}
			if name != "-" {
				object[name] = everyField(t, field.Type)
			}
		}
		return object
	}
	t.Fatalf("%s: this test has no value for it", of)
	return nil
}
