package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// fieldManager is who the API server says owns what [Cluster.Apply] applied.
const fieldManager = "aksess-e2e"

// Apply applies every object of a YAML or JSON stream on the server, in order,
// and fails the test on the first refusal.
func (c *Cluster) Apply(t testing.TB, manifest []byte) []*unstructured.Unstructured {
	t.Helper()
	objects, err := c.TryApply(t.Context(), manifest)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// TryApply is [Cluster.Apply] for manifests that may be refused. It returns the
// objects as they are stored, and the API server's own error, wrapped.
func (c *Cluster) TryApply(ctx context.Context, manifest []byte) ([]*unstructured.Unstructured, error) {
	return c.apply(ctx, manifest, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
}

// DryRun asks the API server what [Cluster.TryApply] would come to: every object
// is checked, admitted and defaulted, and a field that its schema lacks is
// refused, but nothing is stored. Namespaces must be there.
func (c *Cluster) DryRun(ctx context.Context, manifest []byte) ([]*unstructured.Unstructured, error) {
	return c.apply(ctx, manifest, metav1.ApplyOptions{FieldManager: fieldManager, Force: true, DryRun: []string{metav1.DryRunAll}})
}

// Conflicts asks the API server, as somebody else, what applying the manifest
// without force would come to: an error names each field that another manager
// owns with another value.
func (c *Cluster) Conflicts(ctx context.Context, manifest []byte) error {
	_, err := c.apply(ctx, manifest, metav1.ApplyOptions{FieldManager: fieldManager + "-other", DryRun: []string{metav1.DryRunAll}})
	return err
}

func (c *Cluster) apply(ctx context.Context, manifest []byte, options metav1.ApplyOptions) ([]*unstructured.Unstructured, error) {
	wanted, err := decode(manifest)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.Client.Discovery()))
	var stored []*unstructured.Unstructured
	for _, object := range wanted {
		resource, err := c.resource(mapper, object)
		if err != nil {
			return stored, err
		}
		applied, err := resource.Apply(ctx, object.GetName(), object, options)
		if err != nil {
			return stored, fmt.Errorf("applying %s %q: %w", object.GetKind(), object.GetName(), err)
		}
		stored = append(stored, applied)
	}
	return stored, nil
}

// resource is the API that the object belongs to.
func (c *Cluster) resource(mapper meta.RESTMapper, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("finding the resource of %s: %w", kind, err)
	}
	resource := c.Dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return resource, nil
	}
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return resource.Namespace(namespace), nil
}

// decode reads the objects of a stream of YAML or JSON documents; empty
// documents are skipped.
func decode(manifest []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading object %d of the manifest: %w", len(objects)+1, err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}
