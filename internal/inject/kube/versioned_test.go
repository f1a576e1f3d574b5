package kube

import (
	"strconv"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
)

// versioned has the test client give out resource versions and refuse an
// update of an old one, as an API server does.
func versioned(client *dynamicfake.FakeDynamicClient) {
	var mu sync.Mutex
	version := 100
	next := func(object *unstructured.Unstructured) *unstructured.Unstructured {
		version++
		stored := object.DeepCopy()
		stored.SetResourceVersion(strconv.Itoa(version))
		return stored
	}
	client.PrependReactor("create", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		create := action.(clienttesting.CreateAction)
		stored := next(create.GetObject().(*unstructured.Unstructured))
		stored.SetNamespace(create.GetNamespace())
		return true, stored, client.Tracker().Create(create.GetResource(), stored, create.GetNamespace())
	})
	client.PrependReactor("update", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		update := action.(clienttesting.UpdateAction)
		object := update.GetObject().(*unstructured.Unstructured)
		have, err := client.Tracker().Get(update.GetResource(), update.GetNamespace(), object.GetName())
		if err != nil {
			return true, nil, err
		}
		if have.(*unstructured.Unstructured).GetResourceVersion() != object.GetResourceVersion() {
			return true, nil, apierrors.NewConflict(update.GetResource().GroupResource(), object.GetName(), nil)
		}
		stored := next(object)
		return true, stored, client.Tracker().Update(update.GetResource(), stored, update.GetNamespace())
	})
}

// get reads an object past the client's reactors.
func get(t *testing.T, client *dynamicfake.FakeDynamicClient, s *Secrets, name string) *unstructured.Unstructured {
	t.Helper()
	object, err := client.Resource(secretsResource()).Namespace(s.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return object
}
