package helm_test

import (
	"encoding/json"
	"testing"
)

// asJSON is for comparing parts of objects with what a test writes down.
func asJSON(t *testing.T, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestRights lists every right that the webhook has.
func TestRights(t *testing.T) {
	const accounts = `{"apiGroups":[""],"resources":["serviceaccounts"],"verbs":["get","list","watch"]}`
	const events = `{"apiGroups":["events.k8s.io"],"resources":["events"],"verbs":["create"]}`
	configuration := func(verbs string) string {
		return `{"apiGroups":["admissionregistration.k8s.io"],"resourceNames":["aksess-webhook"],"resources":["mutatingwebhookconfigurations"],"verbs":[` + verbs + `]}`
	}
	const clusterRole, role = "ClusterRole/aksess-webhook", "Role/aksess-webhook"
	builtIn := render(t, with())
	if got, want := asJSON(t, builtIn.at(t, clusterRole, "rules")), "["+accounts+","+configuration(`"get","list","watch","patch"`)+","+events+"]"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	want := `[{"apiGroups":[""],"resourceNames":["aksess-webhook-ca","aksess-webhook-tls"],"resources":["secrets"],"verbs":["get","list","watch","update"]},` +
		`{"apiGroups":["coordination.k8s.io"],"resourceNames":["aksess-webhook"],"resources":["leases"],"verbs":["get","update"]}]`
	if got := asJSON(t, builtIn.at(t, role, "rules")); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	managed := render(t, with("certificates.source", "cert-manager", "events", false))
	if got, want := asJSON(t, managed.at(t, clusterRole, "rules")), "["+accounts+","+configuration(`"get","list","watch"`)+"]"; got != want {
		t.Errorf("cert-manager, no events: got %s\nwant %s", got, want)
	}
}

// TestRightsGoToTheAccount: of the pods, whatever it is called.
func TestRightsGoToTheAccount(t *testing.T) {
	got := render(t, with("serviceAccount.name", "other", "serviceAccount.create", false))
	want := `[{"kind":"ServiceAccount","name":"other","namespace":"aksess-system"}]`
	for _, id := range []string{"ClusterRoleBinding/aksess-webhook", "RoleBinding/aksess-webhook"} {
		if got := asJSON(t, got.at(t, id, "subjects")); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
	if name := got.pod(t, "serviceAccountName"); name != "other" {
		t.Errorf("got pods of %v", name)
	}
}

// TestNeverItsOwnNamespace: the webhook's pods, and those it depends on, must
// start while it does not answer.
func TestNeverItsOwnNamespace(t *testing.T) {
	own := func(further string) string {
		return `{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["kube-system","aksess-system"` + further + `]}`
	}
	const theirs = `{"key":"team","operator":"Exists"}`
	tests := []struct {
		name   string
		values map[string]any
		want   string
	}{
		{"default", with(), `{"matchExpressions":[` + own("") + `]}`},
		{"labels", with("mutatingWebhookNamespaceSelector.matchLabels", map[string]any{"a": "b"}), `{"matchExpressions":[` + own("") + `],"matchLabels":{"a":"b"}}`},
		{"expressions", with("mutatingWebhookNamespaceSelector.matchExpressions", []any{map[string]any{"key": "team", "operator": "Exists"}}), `{"matchExpressions":[` + theirs + `,` + own("") + `]}`},
		{"aks", with("aksNamespaceSelector", true), `{"matchExpressions":[{"key":"control-plane","operator":"NotIn","values":["true"]},{"key":"kubernetes.azure.com/managedby","operator":"NotIn","values":["aks"]},` + own("") + `]}`},
		{"excluded", with("excludedNamespaces", []any{"kube-public", "kube-system"}), `{"matchExpressions":[` + own(`,"kube-public"`) + `]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.values["warnWebhook"] = map[string]any{"enabled": true}
			objects := render(t, test.values)
			for i := range 2 {
				if got := asJSON(t, objects.at(t, configuration, "webhooks", i, "namespaceSelector")); got != test.want {
					t.Errorf("webhook %d: got %s, want %s", i, got, test.want)
				}
			}
		})
	}
}

func TestWebhookConfiguration(t *testing.T) {
	objects := render(t, with("warnWebhook.enabled", true, "service.port", 8443))
	for field, want := range map[string]string{
		"failurePolicy": `"Fail"`, "timeoutSeconds": `3`, "reinvocationPolicy": `"IfNeeded"`, "matchPolicy": `"Equivalent"`, "sideEffects": `"NoneOnDryRun"`,
		"admissionReviewVersions": `["v1","v1beta1"]`, "objectSelector": `{"matchLabels":{"azure.workload.identity/use":"true"}}`,
		"clientConfig": `{"service":{"name":"aksess-webhook","namespace":"aksess-system","path":"/mutate-v1-pod","port":8443}}`,
	} {
		if got := asJSON(t, objects.at(t, configuration, "webhooks", 0, field)); got != want {
			t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
	silent := render(t, with("warnWebhook.enabled", true, "events", false))
	for i := range 2 {
		if got := silent.at(t, configuration, "webhooks", i, "sideEffects"); got != "None" {
			t.Errorf("webhook %d without Events: got side effects %v, want None", i, got)
		}
	}
	// The one that warns never refuses, whatever the policy of the other.
	for field, want := range map[string]string{
		"failurePolicy": `"Ignore"`, "timeoutSeconds": `2`, "reinvocationPolicy": `"Never"`, "objectSelector": `null`, "sideEffects": `"NoneOnDryRun"`,
		"clientConfig": `{"service":{"name":"aksess-webhook","namespace":"aksess-system","path":"/warn","port":8443}}`,
	} {
		if got := asJSON(t, objects.at(t, configuration, "webhooks", 1, field)); got != want {
			t.Errorf("warning, %s: got %s, want %s", field, got, want)
		}
	}
	if _, found := objects.args(t)["--warn-webhook"]; !found {
		t.Error("got no --warn-webhook")
	}
	if got := render(t, with()).at(t, configuration, "webhooks", 1); got != nil {
		t.Errorf("got a second webhook %v without asking", got)
	}
	managed := render(t, with("certificates.source", "cert-manager", "mutatingWebhookAnnotations", map[string]any{"a": "b"}))
	if got, want := asJSON(t, managed.at(t, configuration, "metadata", "annotations")), `{"a":"b","cert-manager.io/inject-ca-from":"aksess-system/aksess-webhook"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestPortsAgree: upstream's chart has ports in its values that its templates
// do not read.
func TestPortsAgree(t *testing.T) {
	objects := render(t, with("service.targetPort", 10250, "service.port", 8443, "healthPort", 8080, "metricsAddr", "0.0.0.0:9000"))
	want := `[{"containerPort":10250,"name":"webhook"},{"containerPort":8080,"name":"health"},{"containerPort":9000,"name":"metrics"}]`
	if got := asJSON(t, objects.pod(t, "containers", 0, "ports")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	args := objects.args(t)
	if args["--listen"] != ":10250" || args["--health-addr"] != ":8080" || args["--metrics-addr"] != "0.0.0.0:9000" {
		t.Errorf("got %v", args)
	}
	if got, want := asJSON(t, objects.at(t, "Service/aksess-webhook", "spec", "ports")), `[{"name":"webhook","port":8443,"targetPort":"webhook"}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, off := range []string{"0", ""} {
		without := render(t, with("metricsAddr", off, "networkPolicy.enabled", true))
		if without["Service/aksess-webhook-metrics"] != nil || without.pod(t, "containers", 0, "ports", 2) != nil || without.at(t, "NetworkPolicy/aksess-webhook", "spec", "ingress", 2) != nil {
			t.Errorf("metricsAddr %q: got a port for metrics", off)
		}
	}
}

// TestPodIsRestricted: nothing that the restricted level of Pod Security refuses.
func TestPodIsRestricted(t *testing.T) {
	objects := render(t, with())
	if got, want := asJSON(t, objects.pod(t, "securityContext")), `{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := asJSON(t, objects.pod(t, "containers", 0, "securityContext")), `{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"readOnlyRootFilesystem":true}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestImages: a digest wins over a tag, and the chart's version is the default.
func TestImages(t *testing.T) {
	image := func(o objects) any { return o.pod(t, "containers", 0, "image") }
	for want, values := range map[string]map[string]any{
		"ghcr.io/aksess/aksess-webhook:v0.1.0": with(),
		"r.example/w:v9":                       with("image.repository", "r.example/w", "image.release", "v9"),
		"r.example/w@" + digest:                with("image.repository", "r.example/w", "image.release", "v9", "image.digest", digest),
	} {
		if got := image(render(t, values)); got != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// TestExtraEnvWins over a variable of the chart's own, and none is there twice.
func TestExtraEnvWins(t *testing.T) {
	_, plain := commandLine(t, render(t, with()))
	objects := render(t, with("extraEnv", []any{
		map[string]any{"name": "AZURE_ENVIRONMENT", "value": "AzureStackCloud"}, map[string]any{"name": "AZURE_ENVIRONMENT_FILEPATH", "value": "/cloud.json"},
	}))
	_, env := commandLine(t, objects)
	if env["AZURE_ENVIRONMENT"] != "AzureStackCloud" || env["AZURE_ENVIRONMENT_FILEPATH"] != "/cloud.json" || env["AZURE_TENANT_ID"] != tenant {
		t.Errorf("got %v", env)
	}
	if list := objects.pod(t, "containers", 0, "env").([]any); len(list) != len(plain)+1 {
		t.Errorf("got %d variables, want %d and one more: %v", len(list), len(plain), list)
	}
}

// TestPodAnnotations: the chart's own are kept, and none is there twice.
func TestPodAnnotations(t *testing.T) {
	objects := render(t, with("podAnnotations", map[string]any{"a": "b", "kubectl.kubernetes.io/default-container": "c"}, "localAzure.proxyURL", "http://x:1", "localAzure.ca", authority))
	want := `{"a":"b","checksum/local-azure-ca":"704bd2ba79e5c2f51ebdbd12e083c0b88f85c28e432a73c3cc9d53cae2e09b6d","kubectl.kubernetes.io/default-container":"webhook"}`
	if got := asJSON(t, objects.at(t, deployment, "spec", "template", "metadata", "annotations")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
