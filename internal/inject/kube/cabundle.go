package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/aksess/aksess/internal/inject"
)

// CABundle keeps the CA bundle in the webhook's own MutatingWebhookConfiguration
// up to date. It changes clientConfig.caBundle of its webhooks and nothing else.
type CABundle struct {
	Client  *Client
	Name    string           // of the configuration
	Bundle  func() []byte    // own bundle, PEM; nothing is published while it is empty
	Changed <-chan struct{}  // receives after the bundle has changed
	Now     func() time.Time // time.Now when nil
	Log     *slog.Logger
}

// Pauses of Run.
const (
	publishInterval = time.Minute // even if the watch says nothing
	publishRetry    = 2 * time.Second
)

func configurationsResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"}
}

// Run publishes at once, after every change of the bundle and after every
// change of the configuration, until the context is done. A configuration that
// does not exist yet is waited for.
func (c *CABundle) Run(ctx context.Context) {
	touched := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.watch(ctx, touched)
	}()
	defer func() { <-done }()
	lastError := ""
	for {
		pause := publishInterval
		if err := c.Publish(ctx); err != nil && ctx.Err() == nil {
			pause = publishRetry
			if err.Error() != lastError { // once, not every two seconds
				c.Log.Warn("CA bundle not published, trying again", "configuration", c.Name, "error", err)
			}
			lastError = err.Error()
		} else {
			lastError = ""
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-c.Changed:
		case <-touched:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (c *CABundle) watch(ctx context.Context, touched chan<- struct{}) {
	informer := newInformer(c.Client.Metadata, configurationsResource(), c.Name)
	signal := func() {
		select {
		case touched <- struct{}{}:
		default:
		}
	}
	// Neither call fails before the informer has started.
	_ = informer.SetWatchErrorHandlerWithContext(logWatchError(c.Log, "webhook configuration"))
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { signal() },
		UpdateFunc: func(_, _ any) { signal() },
	})
	informer.RunWithContext(ctx)
}

// configuration is the part of a MutatingWebhookConfiguration that matters.
type configuration struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Webhooks []struct {
		Name         string `json:"name"`
		ClientConfig struct {
			CABundle []byte `json:"caBundle"`
		} `json:"clientConfig"`
	} `json:"webhooks"`
}

type patchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Publish brings the configuration up to date once. Certificates that other
// replicas have published stay. The error says if the configuration does not exist.
func (c *CABundle) Publish(ctx context.Context) error {
	own := c.Bundle()
	if len(own) == 0 {
		return nil
	}
	const tries = 5
	for try := 1; ; try++ {
		err := c.publishOnce(ctx, own)
		// A failed test operation, a change in between, is an invalid request.
		if err == nil || try == tries || !apierrors.IsInvalid(err) && !apierrors.IsConflict(err) {
			return err
		}
	}
}

func (c *CABundle) publishOnce(ctx context.Context, own []byte) error {
	resource := c.Client.Dynamic.Resource(configurationsResource())
	object, err := resource.Get(ctx, c.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("the cluster has no MutatingWebhookConfiguration %q yet: %w", c.Name, err)
	}
	if err != nil {
		return fmt.Errorf("reading MutatingWebhookConfiguration %q: %w", c.Name, err)
	}
	var have configuration
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &have); err != nil {
		return fmt.Errorf("reading MutatingWebhookConfiguration %q: %w", c.Name, err)
	}
	patch, err := bundlePatch(have, own, c.now())
	if err != nil || len(patch) == 0 {
		return err
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encoding patch: %w", err)
	}
	if _, err := resource.Patch(ctx, c.Name, types.JSONPatchType, raw, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("patching MutatingWebhookConfiguration %q: %w", c.Name, err)
	}
	c.Log.Info("CA bundle published", "configuration", c.Name, "webhooks", len(patch)-1)
	return nil
}

// bundlePatch sets the bundle of every webhook that lacks some of it, provided
// that nobody has changed the configuration since it was read.
func bundlePatch(have configuration, own []byte, now time.Time) ([]patchOperation, error) {
	var patch []patchOperation
	for i, webhook := range have.Webhooks {
		merged, err := inject.MergeBundle(webhook.ClientConfig.CABundle, own, now)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(merged, webhook.ClientConfig.CABundle) {
			continue
		}
		patch = append(patch, patchOperation{"add", fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", i), merged})
	}
	if len(patch) == 0 {
		return nil, nil
	}
	test := patchOperation{"test", "/metadata/resourceVersion", have.Metadata.ResourceVersion}
	return append([]patchOperation{test}, patch...), nil
}

func (c *CABundle) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
