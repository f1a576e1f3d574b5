package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/helm"
)

// operators is the module that pins what comes from other projects.
var operators = filepath.Join(root, "tools", "operators")

// managerNamespace is where cert-manager lives, and the name of its release.
const managerNamespace = "cert-manager"

// moduleDir is the folder into which the module client has unpacked a module
// that operators requires, in the version and with the content of its go.sum.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	var complaint bytes.Buffer
	download.Dir, download.Stderr = operators, &complaint
	out, err := download.Output()
	if err != nil {
		t.Fatalf("fetching %s: %v\n%s%s", module, err, out, complaint.Bytes())
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil || found.Dir == "" {
		t.Fatalf("fetching %s: got %v and %s, want a folder", module, err, out)
	}
	return found.Dir
}

// kindsOfCertManager are the kinds as cert-manager's chart installs them.
func kindsOfCertManager(t *testing.T) []byte {
	t.Helper()
	return manifestOf(t, slices.DeleteFunc(chartOfCertManager(t), func(object *unstructured.Unstructured) bool {
		return object.GetKind() != "CustomResourceDefinition"
	}))
}

// chartOfCertManager is its release in its usual namespace, all objects but
// those that register its webhook, which is not run here.
func chartOfCertManager(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	chart, err := helm.Load(filepath.Join(moduleDir(t, "github.com/cert-manager/cert-manager"), "deploy", "charts", "cert-manager"))
	if err != nil {
		t.Fatal(err)
	}
	release, err := chart.Render(helm.Release{Name: managerNamespace, Namespace: managerNamespace, Values: map[string]any{
		"crds":            map[string]any{"enabled": true},
		"startupapicheck": map[string]any{"enabled": false}, // a hook
	}})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(objectsOf(t, release.Manifest), func(object *unstructured.Unstructured) bool {
		return object.GetKind() == "MutatingWebhookConfiguration" || object.GetKind() == "ValidatingWebhookConfiguration"
	})
}

// kindOfMonitors is ServiceMonitor as Prometheus' operator defines it.
func kindOfMonitors(t *testing.T) []byte {
	t.Helper()
	return read(t, filepath.Join(moduleDir(t, "github.com/prometheus-operator/prometheus-operator"),
		"example", "prometheus-operator-crd", "monitoring.coreos.com_servicemonitors.yaml"))
}

func objectsOf(t *testing.T, manifest []byte) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		switch {
		case errors.Is(err, io.EOF):
			return objects
		case err != nil:
			t.Fatal(err)
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}

func manifestOf(t *testing.T, objects []*unstructured.Unstructured) []byte {
	t.Helper()
	var manifest []byte
	for _, object := range objects {
		raw, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		manifest = append(append(manifest, "---\n"...), raw...)
	}
	return manifest
}
