package helm_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/helm"
)

const (
	tenant    = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	authority = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
)

var root = filepath.Join("..", "..")

func load(t *testing.T) *helm.Chart {
	t.Helper()
	c, err := helm.Load(helm.Dir(root))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with returns values: the tenant and, path by path, what a test is about.
func with(pairs ...any) map[string]any {
	values := map[string]any{"azureTenantID": tenant}
	for i := 0; i < len(pairs); i += 2 {
		set(values, pairs[i].(string), pairs[i+1])
	}
	return values
}

func set(values map[string]any, path string, value any) {
	for {
		first, rest, more := strings.Cut(path, ".")
		if !more {
			values[first] = value
			return
		}
		below, ok := values[first].(map[string]any)
		if !ok {
			below = map[string]any{}
			values[first] = below
		}
		values, path = below, rest
	}
}

// objects are the objects of a release by kind and name.
type objects map[string]map[string]any

func render(t *testing.T, values map[string]any) objects {
	t.Helper()
	rendered, err := load(t).Render(helm.Release{Values: values})
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, rendered.Manifest)
}

func decode(t *testing.T, manifest []byte) objects {
	t.Helper()
	found := objects{}
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096); ; {
		var object unstructured.Unstructured
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(object.Object) == 0 {
			continue
		}
		id := object.GetKind() + "/" + object.GetName()
		if found[id] != nil {
			t.Errorf("%s is there twice", id)
		}
		found[id] = object.Object
	}
}

// at returns what is at a path of an object, nil if nothing is. A number is an
// index into a list.
func (o objects) at(t *testing.T, id string, path ...any) any {
	t.Helper()
	if o[id] == nil {
		t.Fatalf("there is no %s", id)
	}
	var value any = o[id]
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

const (
	deployment    = "Deployment/aksess-webhook"
	configuration = "MutatingWebhookConfiguration/aksess-webhook"
)

// pod returns what is at a path of the pods' specification.
func (o objects) pod(t *testing.T, path ...any) any {
	t.Helper()
	return o.at(t, deployment, append([]any{"spec", "template", "spec"}, path...)...)
}

// args are the arguments of the webhook by name.
func (o objects) args(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	list, _ := o.pod(t, "containers", 0, "args").([]any)
	for _, arg := range list {
		name, value, _ := strings.Cut(arg.(string), "=")
		if _, twice := found[name]; twice {
			t.Errorf("argument %s is given twice", name)
		}
		found[name] = value
	}
	return found
}

// valueSets are the sets in the chart's ci folder.
func valueSets(t *testing.T) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(helm.Dir(root), "ci", "*.yaml"))
	if err != nil || len(files) < 5 {
		t.Fatalf("got %d sets of values, %v", len(files), err)
	}
	sets := map[string]map[string]any{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var values map[string]any
		if err := yaml.Unmarshal(raw, &values); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		sets[strings.TrimSuffix(filepath.Base(file), ".yaml")] = values
	}
	return sets
}
