package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aksess/aksess/internal/inject"
)

// Configuration is the webhook's own MutatingWebhookConfiguration: what API
// servers have been told of it. It changes clientConfig.caBundle of its
// webhooks and nothing else.
type Configuration struct {
	Client  *Client
	Name    string
	Changed func()           // called after each change; may be nil
	Now     func() time.Time // time.Now when nil
	Log     *slog.Logger

	mu     sync.Mutex
	seen   bool
	latest *configuration // nil while there is none
}

func configurationsResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"}
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
			URL      string `json:"url"`
			Service  struct {
				Path string `json:"path"`
			} `json:"service"`
		} `json:"clientConfig"`
	} `json:"webhooks"`
}

// Run watches the configuration until the context is done.
func (c *Configuration) Run(ctx context.Context) {
	named{client: c.Client, resource: configurationsResource(), name: c.Name}.follow(ctx, c.Log, c.keep)
}

func (c *Configuration) keep(object *unstructured.Unstructured) {
	var latest *configuration
	if object != nil {
		var err error
		if latest, err = c.parse(object); err != nil {
			c.Log.Warn("watching", "error", err)
			return
		}
	}
	c.mu.Lock()
	c.seen, c.latest = true, latest
	c.mu.Unlock()
	if c.Changed != nil {
		c.Changed()
	}
}

func (c *Configuration) parse(object *unstructured.Unstructured) (*configuration, error) {
	have := new(configuration)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, have); err != nil {
		return nil, fmt.Errorf("reading MutatingWebhookConfiguration %q: %w", c.Name, err)
	}
	return have, nil
}

// Published returns the CA bundle of each of the configuration's webhooks, as
// they were when the watch last heard of them; without those at inject.WarnPath,
// which refuse nothing: one that was added a moment ago, and has no bundle yet,
// must not take the others away.
func (c *Configuration) Published() ([][]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.seen:
		return nil, fmt.Errorf("MutatingWebhookConfiguration %q has not been read yet", c.Name)
	case c.latest == nil:
		return nil, c.absent()
	}
	var bundles [][]byte
	for _, webhook := range c.latest.Webhooks {
		if at := webhook.ClientConfig; !strings.HasSuffix(at.Service.Path, inject.WarnPath) && !strings.HasSuffix(at.URL, inject.WarnPath) {
			bundles = append(bundles, at.CABundle)
		}
	}
	return bundles, nil
}

func (c *Configuration) absent() error {
	return fmt.Errorf("the cluster has no MutatingWebhookConfiguration %q yet", c.Name)
}

type patchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// errUnpublished is a configuration that lacks some of the bundle after it was written.
var errUnpublished = errors.New("read back without the CA bundle")

// Publish brings the bundle into every webhook of the configuration and reads
// it back. Certificates that other replicas have published stay, see
// [inject.MergeBundle]. The error says if the configuration does not exist.
func (c *Configuration) Publish(ctx context.Context, bundle []byte) error {
	const tries = 5
	for try := 1; ; try++ {
		err := c.publishOnce(ctx, bundle)
		// A failed test operation, a change in between, is an invalid request.
		if err == nil || try == tries || !apierrors.IsInvalid(err) && !apierrors.IsConflict(err) && !errors.Is(err, errUnpublished) {
			return err
		}
	}
}

func (c *Configuration) publishOnce(ctx context.Context, bundle []byte) error {
	have, err := c.read(ctx)
	if err != nil {
		return err
	}
	patch, err := bundlePatch(have, bundle, c.now())
	if err != nil || len(patch) == 0 {
		return err
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encoding patch: %w", err)
	}
	resource := c.Client.Dynamic.Resource(configurationsResource())
	if _, err := resource.Patch(ctx, c.Name, types.JSONPatchType, raw, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("patching MutatingWebhookConfiguration %q: %w", c.Name, err)
	}
	if have, err = c.read(ctx); err != nil {
		return err
	}
	for _, webhook := range have.Webhooks {
		if !inject.Covers(webhook.ClientConfig.CABundle, bundle) {
			return fmt.Errorf("MutatingWebhookConfiguration %q: %w", c.Name, errUnpublished)
		}
	}
	c.Log.Info("CA bundle published", "configuration", c.Name, "webhooks", len(patch)-1)
	return nil
}

func (c *Configuration) read(ctx context.Context) (*configuration, error) {
	object, err := c.Client.Dynamic.Resource(configurationsResource()).Get(ctx, c.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %w", c.absent(), err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading MutatingWebhookConfiguration %q: %w", c.Name, err)
	}
	return c.parse(object)
}

// bundlePatch sets the bundle of every webhook that lacks some of it, provided
// that nobody has changed the configuration since it was read.
func bundlePatch(have *configuration, own []byte, now time.Time) ([]patchOperation, error) {
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

func (c *Configuration) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
