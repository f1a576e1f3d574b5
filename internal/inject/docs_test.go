package inject

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAnnotationsPage: docs/annotations.md has every key that is read and all
// that the cases in testdata inject.
func TestAnnotationsPage(t *testing.T) {
	raw, err := os.ReadFile("../../docs/annotations.md")
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(string(raw), -1)
	page := make([]string, len(words))
	for i, word := range words {
		page[i], _, _ = strings.Cut(word[1], ":")
	}
	for _, name := range slices.Concat(ServiceAccountAnnotations(), []string{"azure.workload.identity/use"}, injected(t)) {
		if !slices.Contains(page, name) {
			t.Errorf("docs/annotations.md does not have `%s`", name)
		}
	}
}

// injected are the names of everything that Mutate adds in the cases of testdata.
func injected(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.in.json")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		c := readGolden(t, file)
		result, err := Mutate(c.Pod, c.account(), c.Config)
		if err != nil {
			continue // a refusal
		}
		for _, op := range result.Patch {
			for _, name := range namesIn(op) {
				names[name] = true
			}
		}
	}
	var list []string
	for name := range names {
		switch {
		case strings.HasPrefix(name, "AZURE_CLIENT_ID_"):
			name = "AZURE_CLIENT_ID_NAME"
		case strings.HasPrefix(name, volumePrefix):
			continue // has a hash, and a line of its own
		}
		list = append(list, name)
	}
	if len(list) < 20 {
		t.Errorf("got %q, want all variables, volumes and containers", list)
	}
	return list
}

// namesIn are the names of variables, volumes and containers in an operation's value.
func namesIn(op Operation) []string {
	var names []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if name, ok := v["name"].(string); ok && v["items"] == nil { // not a ConfigMap's
				names = append(names, name)
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	var value any
	if json.Unmarshal(op.Value, &value) == nil {
		walk(value)
	}
	return names
}
