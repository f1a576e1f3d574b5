package kube

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/aksess/aksess/internal/inject"
)

const configurationName = "aksess-webhook"

// second lets the bubble's clock move on.
func second() { time.Sleep(time.Second) }

func webhookConfiguration(bundles ...string) *unstructured.Unstructured {
	var webhooks []any
	for i, bundle := range bundles {
		config := map[string]any{"service": map[string]any{"name": "aksess-webhook"}, "x-unknown": "kept"}
		if bundle != "" {
			config["caBundle"] = base64.StdEncoding.EncodeToString([]byte(bundle))
		}
		webhooks = append(webhooks, map[string]any{"name": "m" + string(rune('0'+i)), "clientConfig": config, "failurePolicy": "Fail"})
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
		"metadata": map[string]any{"name": configurationName, "resourceVersion": "1", "annotations": map[string]any{"a": "b"}},
		"webhooks": webhooks,
	}}
}

func newBundle(t *testing.T) []byte {
	t.Helper()
	certificates := inject.NewCertificates(inject.CertificatesConfig{Names: []string{"localhost"}})
	if _, err := certificates.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return certificates.Bundle()
}

// fakeDynamic is a cluster that knows what the webhook writes.
func fakeDynamic(objects ...runtime.Object) *dynamicfake.FakeDynamicClient {
	kinds := map[schema.GroupVersionResource]string{
		configurationsResource(): "MutatingWebhookConfigurationList", secretsResource(): "SecretList", leasesResource(): "LeaseList",
		eventsResource(): "EventList",
	}
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, objects...)
}

func publisher(objects ...runtime.Object) (*Configuration, *dynamicfake.FakeDynamicClient) {
	client := fakeDynamic(objects...)
	return &Configuration{Client: &Client{Dynamic: client}, Name: configurationName, Log: discard()}, client
}

// published returns the bundles in the configuration.
func published(t *testing.T, client *dynamicfake.FakeDynamicClient) [][]byte {
	t.Helper()
	object, err := client.Resource(configurationsResource()).Get(context.Background(), configurationName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var have configuration
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &have); err != nil {
		t.Fatal(err)
	}
	var bundles [][]byte
	for _, webhook := range have.Webhooks {
		bundles = append(bundles, webhook.ClientConfig.CABundle)
	}
	return bundles
}

func patches(client *dynamicfake.FakeDynamicClient) int {
	n := 0
	for _, action := range client.Actions() {
		if action.GetVerb() == "patch" {
			n++
		}
	}
	return n
}

func TestPublish(t *testing.T) {
	own, other := newBundle(t), newBundle(t)
	both := append(bytes.Clone(own), other...)
	tests := []struct {
		name    string
		have    []string
		want    [][]byte
		patches int
	}{
		{"empty", []string{""}, [][]byte{own}, 1},
		{"placeholder", []string{"\n"}, [][]byte{own}, 1},
		{"up_to_date", []string{string(own)}, [][]byte{own}, 0},
		{"other_replica", []string{string(other)}, [][]byte{both}, 1},
		{"several", []string{string(own), "", string(other)}, [][]byte{own, own, both}, 1},
		{"none", nil, nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, client := publisher(webhookConfiguration(test.have...))
			for range 2 { // the second time there is nothing to do
				if err := c.Publish(t.Context(), own); err != nil {
					t.Fatal(err)
				}
			}
			got := published(t, client)
			if len(got) != len(test.want) {
				t.Fatalf("got %d bundles, want %d", len(got), len(test.want))
			}
			for i := range got {
				if !bytes.Equal(got[i], test.want[i]) {
					t.Errorf("webhook %d: got %s, want %s", i, got[i], test.want[i])
				}
			}
			if n := patches(client); n != test.patches {
				t.Errorf("got %d patches, want %d", n, test.patches)
			}
		})
	}
}

func TestPublishTouchesNothingElse(t *testing.T) {
	own, before := newBundle(t), webhookConfiguration("")
	c, client := publisher(before.DeepCopy())
	if err := c.Publish(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	after, err := client.Resource(configurationsResource()).Get(t.Context(), configurationName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	webhook := after.Object["webhooks"].([]any)[0].(map[string]any)["clientConfig"].(map[string]any)
	if webhook["caBundle"] == nil {
		t.Error("got no bundle")
	}
	delete(webhook, "caBundle")
	if !equalObjects(after, before) {
		t.Errorf("got %v, want %v", after, before)
	}
}

func equalObjects(a, b *unstructured.Unstructured) bool {
	x, errX := a.MarshalJSON()
	y, errY := b.MarshalJSON()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func TestPublishErrors(t *testing.T) {
	own := newBundle(t)
	t.Run("absent", func(t *testing.T) {
		c, _ := publisher()
		if err := c.Publish(t.Context(), own); !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), `no MutatingWebhookConfiguration "aksess-webhook" yet`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("forbidden", func(t *testing.T) {
		c, client := publisher(webhookConfiguration(""))
		client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(configurationsResource().GroupResource(), configurationName, errors.New("rbac"))
		})
		if err := c.Publish(t.Context(), own); !apierrors.IsForbidden(err) || patches(client) != 1 {
			t.Errorf("got %v after %d patches, want forbidden at once", err, patches(client))
		}
	})
	t.Run("changed_in_between", func(t *testing.T) {
		c, client := publisher(webhookConfiguration(""))
		failures := 2
		client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			if failures--; failures >= 0 {
				return true, nil, apierrors.NewInvalid(schema.GroupKind{}, configurationName, nil)
			}
			return false, nil, nil
		})
		if err := c.Publish(t.Context(), own); err != nil || patches(client) != 3 {
			t.Errorf("got %v after %d patches, want success at the third", err, patches(client))
		}
	})
}

func TestBundlePatchTestsTheVersion(t *testing.T) {
	own := newBundle(t)
	c, client := publisher(webhookConfiguration(""))
	client.PrependReactor("get", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		stale := webhookConfiguration("")
		stale.SetResourceVersion("0")
		return true, stale, nil
	})
	if err := c.Publish(t.Context(), own); err == nil {
		t.Error("got no error for a configuration that has changed since it was read")
	}
}

// TestPublishReadsBack: a write that is not there afterwards is no publication.
func TestPublishReadsBack(t *testing.T) {
	c, client := publisher(webhookConfiguration(""))
	client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, webhookConfiguration(""), nil // says yes and does nothing
	})
	if err := c.Publish(t.Context(), newBundle(t)); !errors.Is(err, errUnpublished) || patches(client) != 5 {
		t.Errorf("got %v after %d patches, want an error after several tries", err, patches(client))
	}
}

// TestConfigurationFollows: what is published is known, and every change is
// told of, from a configuration that comes late to one that goes.
func TestConfigurationFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := newBundle(t)
		c, client := publisher()
		changed := inject.NewBell()
		c.Changed = changed.Ring
		if _, err := c.Published(); err == nil || !strings.Contains(err.Error(), "not been read") {
			t.Errorf("got %v before the first read", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx)
		}()
		<-changed
		if _, err := c.Published(); err == nil || !strings.Contains(err.Error(), "no MutatingWebhookConfiguration") {
			t.Errorf("got %v without a configuration", err)
		}
		other := webhookConfiguration(string(own))
		other.SetName("other")
		mine := webhookConfiguration(string(own), "", "")
		// The last two warn, the second at an address.
		webhooks := mine.Object["webhooks"].([]any)
		webhooks[1].(map[string]any)["clientConfig"] = map[string]any{"service": map[string]any{"name": "aksess-webhook", "path": "/warn"}}
		webhooks[2].(map[string]any)["clientConfig"] = map[string]any{"url": "https://127.0.0.1:9443/warn"}
		for _, object := range []*unstructured.Unstructured{other, mine} {
			if _, err := client.Resource(configurationsResource()).Create(ctx, object, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		<-changed
		if got, err := c.Published(); err != nil || len(got) != 1 || !bytes.Equal(got[0], own) {
			t.Errorf("got %q, %v, want the bundle of the webhook that refuses", got, err)
		}
		if err := client.Resource(configurationsResource()).Delete(ctx, configurationName, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		<-changed
		if _, err := c.Published(); err == nil {
			t.Error("got bundles of a configuration that is gone")
		}
		cancel()
		<-done
	})
}
