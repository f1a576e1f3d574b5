package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/e2e"
)

// written is what the webhook has put into the chart's objects.
type written struct {
	bundle, ca, tls, holder string
}

// filled reads it and expects all of it to be there.
func filled(t *testing.T, cluster *e2e.Cluster) written {
	t.Helper()
	configuration, err := cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), account, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w := written{bundle: string(configuration.Webhooks[0].ClientConfig.CABundle)}
	for name, to := range map[string]*string{account + "-ca": &w.ca, account + "-tls": &w.tls} {
		secret, err := cluster.Client.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		*to = fmt.Sprint(secret.Data)
		if len(secret.Data) == 0 {
			t.Errorf("secret %s is empty", name)
		}
	}
	lease, err := cluster.Client.CoordinationV1().Leases(namespace).Get(t.Context(), account, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if lease.Spec.HolderIdentity != nil {
		w.holder = *lease.Spec.HolderIdentity
	}
	if w.bundle == "" || w.holder == "" {
		t.Errorf("got CA bundle %q, leader %q", w.bundle, w.holder)
	}
	return w
}

// testUpgrade installs other values over what is there, as Helm 4 and as Helm 3
// do: what the webhook has written stays, or labelled pods would be refused
// until it has written it again.
func testUpgrade(t *testing.T, cluster *e2e.Cluster, before written) {
	t.Helper()
	last := render(t, map[string]any{"azureTenantID": tenant})
	for _, values := range []map[string]any{
		{"azureTenantID": tenant, "replicaCount": 3, "timeoutSeconds": 7},
		{"azureTenantID": tenant, "warnWebhook": map[string]any{"enabled": true}, "failurePolicy": "Ignore"},
		{"azureTenantID": tenant}, // and back
	} {
		next := render(t, values)
		merge(t, cluster, last, next)
		cluster.Apply(t, next)
		after := filled(t, cluster)
		if after.bundle != before.bundle || after.ca != before.ca || after.tls != before.tls {
			t.Errorf("%v: got other certificates after an upgrade", values)
		}
		last = next
	}
}

// merge patches what the webhook writes to with the difference between two
// manifests, three ways (https://helm.sh/docs/faq/changes_since_helm2/).
func merge(t *testing.T, cluster *e2e.Cluster, last, next []byte) {
	t.Helper()
	before, after := decode(t, last), decode(t, next)
	ctx, client := t.Context(), cluster.Client
	configurations := client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	live, err := configurations.Get(ctx, account, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const kind = "MutatingWebhookConfiguration/" + account
	patch := threeWay(t, before[kind], after[kind], live)
	if _, err := configurations.Patch(ctx, account, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{account + "-ca", account + "-tls"} {
		live, err := client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		patch := threeWay(t, before["Secret/"+name], after["Secret/"+name], live)
		if _, err := client.CoreV1().Secrets(namespace).Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func threeWay(t *testing.T, before, after []byte, live any) []byte {
	t.Helper()
	current, err := json.Marshal(live)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := strategicpatch.NewPatchMetaFromStruct(live)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := strategicpatch.CreateThreeWayMergePatch(before, after, current, schema, true)
	if err != nil {
		t.Fatal(err)
	}
	return patch
}

// decode is a manifest's objects, JSON, by kind and name.
func decode(t *testing.T, manifest []byte) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for text := range strings.SplitSeq(string(manifest), "---\n") {
		raw, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var object metav1.PartialObjectMetadata
		if err := json.Unmarshal(raw, &object); err != nil {
			t.Fatal(err)
		}
		found[object.Kind+"/"+object.Name] = raw
	}
	return found
}
