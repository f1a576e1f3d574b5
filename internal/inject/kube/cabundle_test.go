package kube

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"sync"
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

// sleep lets the bubble's clock move on to the next timer.
func sleep() { time.Sleep(time.Second) }

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

func publisher(t *testing.T, bundle []byte, objects ...runtime.Object) (*CABundle, *dynamicfake.FakeDynamicClient) {
	t.Helper()
	kinds := map[schema.GroupVersionResource]string{configurationsResource(): "MutatingWebhookConfigurationList"}
	client := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, objects...)
	return &CABundle{
		Client: &Client{Dynamic: client, Metadata: fakeClient(t)}, Name: configurationName,
		Bundle: func() []byte { return bundle }, Log: discard(),
	}, client
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
			c, client := publisher(t, own, webhookConfiguration(test.have...))
			for range 2 { // the second time there is nothing to do
				if err := c.Publish(t.Context()); err != nil {
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
	before := webhookConfiguration("")
	c, client := publisher(t, newBundle(t), before.DeepCopy())
	if err := c.Publish(t.Context()); err != nil {
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
	t.Run("absent", func(t *testing.T) {
		c, _ := publisher(t, newBundle(t))
		if err := c.Publish(t.Context()); !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), `no MutatingWebhookConfiguration "aksess-webhook" yet`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nothing_to_publish", func(t *testing.T) {
		c, client := publisher(t, nil)
		if err := c.Publish(t.Context()); err != nil || len(client.Actions()) != 0 {
			t.Errorf("got %v, %d requests, want none", err, len(client.Actions()))
		}
	})
	t.Run("forbidden", func(t *testing.T) {
		c, client := publisher(t, newBundle(t), webhookConfiguration(""))
		client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(configurationsResource().GroupResource(), configurationName, errors.New("rbac"))
		})
		if err := c.Publish(t.Context()); !apierrors.IsForbidden(err) || patches(client) != 1 {
			t.Errorf("got %v after %d patches, want forbidden at once", err, patches(client))
		}
	})
	t.Run("changed_in_between", func(t *testing.T) {
		c, client := publisher(t, newBundle(t), webhookConfiguration(""))
		failures := 2
		client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			if failures--; failures >= 0 {
				return true, nil, apierrors.NewInvalid(schema.GroupKind{}, configurationName, nil)
			}
			return false, nil, nil
		})
		if err := c.Publish(t.Context()); err != nil || patches(client) != 3 {
			t.Errorf("got %v after %d patches, want success at the third", err, patches(client))
		}
	})
}

func TestBundlePatchTestsTheVersion(t *testing.T) {
	c, client := publisher(t, newBundle(t), webhookConfiguration(""))
	client.PrependReactor("get", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		stale := webhookConfiguration("")
		stale.SetResourceVersion("0")
		return true, stale, nil
	})
	if err := c.Publish(t.Context()); err == nil {
		t.Error("got no error for a configuration that has changed since it was read")
	}
}

// TestRunWaitsForTheConfiguration: the webhook may start before its
// configuration exists, and somebody may empty the bundle later.
func TestRunWaitsForTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := newBundle(t)
		c, client := publisher(t, own)
		log := new(countingHandler)
		changed := make(chan struct{}, 1)
		c.Log, c.Changed = slog.New(log), changed
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx)
		}()
		for range 10 {
			sleep()
		}
		if n := log.count("not published"); n != 1 {
			t.Errorf("got %d warnings while waiting, want one", n)
		}
		create := func() {
			if _, err := client.Resource(configurationsResource()).Create(ctx, webhookConfiguration(""), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		create()
		eventually(t, func() bool { return bytes.Equal(published(t, client)[0], own) })
		if err := client.Resource(configurationsResource()).Delete(ctx, configurationName, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		create()
		changed <- struct{}{}
		eventually(t, func() bool { return bytes.Equal(published(t, client)[0], own) })
		cancel()
		<-done
	})
}

func TestRunFollowsTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := newBundle(t)
		c, client := publisher(t, own, webhookConfiguration(string(own)))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx)
		}()
		synctest.Wait()
		start := time.Now()
		emptied := webhookConfiguration("")
		if err := client.Tracker().Update(configurationsResource(), emptied, ""); err != nil {
			t.Fatal(err)
		}
		watched := c.Client.Metadata.(interface {
			Tracker() clienttesting.ObjectTracker
		}).Tracker()
		touched := &metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "MutatingWebhookConfiguration"},
			ObjectMeta: metav1.ObjectMeta{Name: configurationName, ResourceVersion: "2"},
		}
		if err := watched.Create(configurationsResource(), touched, ""); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return bytes.Equal(published(t, client)[0], own) })
		if took := time.Since(start); took >= publishInterval/2 {
			t.Errorf("got the bundle back after %v, want the watch to be faster than %v", took, publishInterval)
		}
		cancel()
		<-done
	})
}

// countingHandler counts log lines.
type countingHandler struct {
	mu    sync.Mutex
	lines []string
}

func (h *countingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *countingHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *countingHandler) WithGroup(string) slog.Handler            { return h }
func (h *countingHandler) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, r.Message)
	return nil
}

func (h *countingHandler) count(text string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, line := range h.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
