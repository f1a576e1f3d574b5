package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Value is a value of the chart.
type Value struct {
	Path    string // "image.repository"
	Default any
	About   string // what its comment says
}

// Values reads the values of a chart and what is said about them, in their
// order. Every value has a comment that begins with "# --"; one that is a
// mapping and has such a comment is a value as a whole.
func Values(raw []byte) ([]Value, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return nil, fmt.Errorf("reading the values: %w", err)
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("the values are no mapping")
	}
	return valuesBelow("", document.Content[0])
}

func valuesBelow(prefix string, mapping *yaml.Node) ([]Value, error) {
	var found []Value
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		at := prefix + key.Value
		_, about, documented := strings.Cut(key.HeadComment, "# -- ")
		switch {
		case documented:
			v := Value{Path: at, About: strings.ReplaceAll(about, "\n# ", " ")}
			if err := value.Decode(&v.Default); err != nil {
				return nil, fmt.Errorf("reading %s: %w", at, err)
			}
			found = append(found, v)
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			below, err := valuesBelow(at+".", value)
			if err != nil {
				return nil, err
			}
			found = append(found, below...)
		default:
			return nil, fmt.Errorf("line %d: %s has no comment that begins with \"# --\"", key.Line, at)
		}
	}
	return found, nil
}

// Where the table is in the chart's README.
const (
	tableBegin = "<!-- values: made from values.yaml by \"make generate\" -->\n"
	tableEnd   = "<!-- end of values -->\n"
)

// readmeOf is the chart's README with the table that belongs to the values.
func readmeOf(root string) (File, error) {
	path := filepath.Join(Dir(root), "README.md")
	readme, err := os.ReadFile(path)
	if err != nil {
		return File{}, err
	}
	raw, err := os.ReadFile(filepath.Join(Dir(root), "values.yaml"))
	if err != nil {
		return File{}, err
	}
	values, err := Values(raw)
	if err != nil {
		return File{}, err
	}
	before, rest, hasBegin := bytes.Cut(readme, []byte(tableBegin))
	_, after, hasEnd := bytes.Cut(rest, []byte(tableEnd))
	if !hasBegin || !hasEnd {
		return File{}, fmt.Errorf("%s has no place for the table of values", path)
	}
	rows, err := table(values)
	if err != nil {
		return File{}, err
	}
	content := bytes.Join([][]byte{before, []byte(tableBegin), rows, []byte(tableEnd), after}, nil)
	return File{Path: path, Content: content}, nil
}

func table(values []Value) ([]byte, error) {
	out := []byte("\n| value | default | |\n|---|---|---|\n")
	for _, value := range values {
		// Not json.Marshal, which writes < and > for HTML.
		var def bytes.Buffer
		encoder := json.NewEncoder(&def)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value.Default); err != nil {
			return nil, fmt.Errorf("writing the default of %s: %w", value.Path, err)
		}
		about := strings.ReplaceAll(value.About, "|", `\|`)
		out = fmt.Appendf(out, "| `%s` | `%s` | %s |\n", value.Path, bytes.TrimSpace(def.Bytes()), about)
	}
	return append(out, '\n'), nil
}
