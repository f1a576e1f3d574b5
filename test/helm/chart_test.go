package helm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"

	"github.com/aksess/aksess/test/helm"
)

func TestLint(t *testing.T) {
	linter := lint.RunAll(helm.Dir(root), with(), "aksess-system")
	for _, message := range linter.Messages {
		if message.Severity >= support.WarningSev {
			t.Error(message)
		}
	}
}

// TestGeneratedFiles: deploy/manifests and the table of values are of this chart.
func TestGeneratedFiles(t *testing.T) {
	files, err := helm.Generated(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 {
		t.Errorf("got %d files, want two manifests and the README", len(files))
	}
	for _, path := range helm.Check(files) {
		t.Errorf("%s is not made from the chart as it is; run make generate", path)
	}
	files[0].Content = append(files[0].Content, '#')
	if stale := helm.Check(files); !slices.Equal(stale, []string{files[0].Path}) {
		t.Errorf("got %q stale after a change", stale)
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		values map[string]any
		want   string
	}{
		{"no_tenant", map[string]any{}, "A valid .Values.azureTenantID entry required!"},
		{"tenant", with("azureTenantID", "a b"), "azureTenantID"},
		{"unknown", with("azureTenantId", tenant), "azureTenantId"},
		{"unknown_below", with("image.tag", "v1"), "tag"},
		{"unknown_deep", with("proxy.image.tag", "v1"), "tag"},
		{"cloud", with("azureEnvironment", "AzureMoonCloud"), "azureEnvironment"},
		{"authority", with("authorityHost", "http://login.example"), "authorityHost"},
		{"replicas", with("replicaCount", "two"), "replicaCount"},
		{"negative_replicas", with("replicaCount", -1), "replicaCount"},
		{"policy", with("failurePolicy", "fail"), "failurePolicy"},
		{"timeout", with("timeoutSeconds", 31), "timeoutSeconds"},
		{"no_timeout", with("timeoutSeconds", 0), "timeoutSeconds"},
		{"port", with("service.targetPort", 70000), "targetPort"},
		{"tls", with("tlsMinVersion", "1.1"), "tlsMinVersion"},
		{"tls_number", with("tlsMinVersion", 1.3), "tlsMinVersion"},
		{"certificates", with("certificates.source", "certmanager"), "source"},
		{"duration", with("certificates.certLife", "30d"), "certLife"},
		{"issuer", with("certificates.certManager.issuerRef", map[string]any{"kind": "Issuer"}), "issuerRef"},
		{"digest", with("image.digest", "0123"), "digest"},
		{"tag", with("image.release", "v1:2"), "release"},
		{"mode", with("proxy.mode", "sidecar"), "mode"},
		{"pass", with("proxy.pass", "metadata/instance"), "pass"},
		{"resources", with("proxy.resources.limit.memory", "1Gi"), "limit"},
		{"budget", with("podDisruptionBudget.minAvailable", "half"), "minAvailable"},
		{"two_budgets", with("podDisruptionBudget.minAvailable", 0, "podDisruptionBudget.maxUnavailable", 0), "both minAvailable and maxUnavailable"},
		{"grace", with("terminationGracePeriodSeconds", 19), "at least 20"},
		{"own_label", with("podLabels", map[string]any{"azure.workload.identity/use": "true"}), "podLabels must not hold"},
		{"monitor_without_metrics", with("serviceMonitor.enabled", true, "metricsAddr", "0"), "needs metrics"},
		{"log_level", with("logLevel", "loud"), "logLevel"},
		{"backend", with("metricsBackend", "statsd"), "metricsBackend"},
		{"metrics_address", with("metricsAddr", "8095"), "metricsAddr"},
		{"proxy_url", with("localAzure.proxyURL", "https://x:1"), "proxyURL"},
		{"binding_without_endpoint", with("customTokenEndpoint.azureKubernetesSniName", "x"), "azureKubernetesTokenProxy is missing"},
		{"binding_suffix", with("customTokenEndpoint.annotationSuffix", "x"), "azureKubernetesTokenProxy is missing"},
		{"binding_audience", with("customTokenEndpoint.audience", "x"), "azureKubernetesTokenProxy is missing"},
		{"binding_authority", with("customTokenEndpoint.azureKubernetesTokenProxy", "https://x", "customTokenEndpoint.azureKubernetesCaData", "ca.crt"), "azureKubernetesCaData"},
		{"binding_two_authorities", with("customTokenEndpoint.azureKubernetesTokenProxy", "https://x", "customTokenEndpoint.azureKubernetesCaData", authority, "customTokenEndpoint.azureKubernetesCAConfigMapName", "x"), "takes one of"},
		{"binding_selector", with("customTokenEndpoint.azureKubernetesTokenProxy", "https://x", "customTokenEndpoint.azureKubernetesCACTBLabelSelector", "{}"), "needs azureKubernetesCACTBSignerName"},
		{"local_without_proxy", with("localAzure.noProxy", "x"), "localAzure.proxyURL is missing"},
		{"local_without_authority", with("localAzure.proxyURL", "http://x:1"), "takes one of ca and caConfigMap"},
		{"local_authority", with("localAzure.proxyURL", "http://x:1", "localAzure.ca", "ca.crt"), "/localAzure/ca"},
		{"local_two_authorities", with("localAzure.proxyURL", "http://x:1", "localAzure.ca", authority, "localAzure.caConfigMap", "x"), "takes one of ca and caConfigMap"},
		{"local_trust_store", with("localAzure.proxyURL", "http://x:1", "localAzure.ca", authority, "localAzure.trustStoreKey", "x"), "needs caConfigMap"},
		{"name", with("fullnameOverride", "Not_A_Name"), "fullnameOverride"},
		{"environment", with("extraEnv", []any{map[string]any{"value": "x"}}), "extraEnv"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t).Render(helm.Release{Values: test.values})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestSchemaHasEveryValue walks values and schema side by side: no value
// without a rule, no rule without a value, nothing further allowed.
func TestSchemaHasEveryValue(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(helm.Dir(root), "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	rawValues, err := os.ReadFile(filepath.Join(helm.Dir(root), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values, err := helm.Values(rawValues)
	if err != nil {
		t.Fatal(err)
	}
	tree := map[string]any{"global": nil} // which Helm gives to every chart of another
	for _, value := range values {
		set(tree, value.Path, nil)
	}
	compare(t, "", tree, schema)
}

func compare(t *testing.T, path string, values, schema map[string]any) {
	t.Helper()
	if schema["additionalProperties"] != false {
		t.Errorf("%q: the schema allows further values", path)
	}
	rules, _ := schema["properties"].(map[string]any)
	for name := range rules {
		if _, found := values[name]; !found {
			t.Errorf("the schema has %s%s, which is no value", path, name)
		}
	}
	for name, below := range values {
		rule, found := rules[name].(map[string]any)
		if !found {
			t.Errorf("the schema has no %s%s", path, name)
			continue
		}
		if below, ok := below.(map[string]any); ok {
			compare(t, path+name+".", below, rule)
		}
	}
}

// upstreamValues are the values of Azure/azure-workload-identity's chart, v1.6.0.
var upstreamValues = []string{
	"replicaCount", "image.repository", "image.pullPolicy", "image.release", "imagePullSecrets", "nodeSelector", "resources",
	"tolerations", "affinity", "topologySpreadConstraints", "service.type", "service.port", "service.targetPort",
	"azureEnvironment", "azureTenantID", "logLevel", "metricsAddr", "metricsBackend", "priorityClassName",
	"mutatingWebhookAnnotations", "mutatingWebhookNamespaceSelector", "podLabels", "podAnnotations",
	"podDisruptionBudget.minAvailable", "podDisruptionBudget.maxUnavailable", "revisionHistoryLimit",
	"customTokenEndpoint.annotationSuffix", "customTokenEndpoint.audience", "customTokenEndpoint.azureKubernetesCaData",
	"customTokenEndpoint.azureKubernetesSniName", "customTokenEndpoint.azureKubernetesTokenProxy",
	"customTokenEndpoint.azureKubernetesCAConfigMapName", "customTokenEndpoint.azureKubernetesCACTBSignerName",
	"customTokenEndpoint.azureKubernetesCACTBLabelSelector", "extraEnv", "extraVolumes", "extraVolumeMounts",
}

func TestUpstreamValuesKeepTheirNames(t *testing.T) {
	known := changes()
	for _, path := range upstreamValues {
		if _, found := known[path]; !found && !single[path] {
			t.Errorf("upstream's value %s is missing", path)
		}
	}
}

// TestZerosCount: upstream's templates drop what is false to them.
func TestZerosCount(t *testing.T) {
	const budget = "PodDisruptionBudget/aksess-webhook"
	tests := []struct {
		path string
		to   any
		id   string
		at   []any
		want any
	}{
		{"replicaCount", 0, deployment, []any{"spec", "replicas"}, 0},
		{"revisionHistoryLimit", 0, deployment, []any{"spec", "revisionHistoryLimit"}, 0},
		{"podDisruptionBudget.maxUnavailable", 0, budget, []any{"spec", "maxUnavailable"}, 0},
		{"podDisruptionBudget.minAvailable", 0, budget, []any{"spec", "minAvailable"}, 0},
		{"podDisruptionBudget.minAvailable", "50%", budget, []any{"spec", "minAvailable"}, "50%"},
		{"affinity", map[string]any{}, deployment, []any{"spec", "template", "spec", "affinity"}, nil},
		{"topologySpreadConstraints", []any{}, deployment, []any{"spec", "template", "spec", "topologySpreadConstraints"}, nil},
		{"resources", nil, deployment, []any{"spec", "template", "spec", "containers", 0, "resources"}, nil},
		{"nodeSelector", nil, deployment, []any{"spec", "template", "spec", "nodeSelector"}, nil},
		{"priorityClassName", "", deployment, []any{"spec", "template", "spec", "priorityClassName"}, nil},
		{"drainSeconds", 0, deployment, []any{"spec", "template", "spec", "terminationGracePeriodSeconds"}, 25},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s=%v", test.path, test.to), func(t *testing.T) {
			got := render(t, with(test.path, test.to)).at(t, test.id, test.at...)
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	args := render(t, with("events", false, "oldTokenPath", false, "drainSeconds", 0, "metricsAddr", "0", "proxy.resources", nil, "proxy.initResources", nil)).args(t)
	for name, want := range map[string]string{"--events": "false", "--old-token-path": "false", "--drain-delay": "0s", "--metrics-addr": "0", "--proxy-resources": "{}", "--proxy-init-resources": "{}"} {
		if got, found := args[name]; !found || got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestAuthorityKeyIsMountedNowhere: upstream mounts the whole secret, the
// authority's key with it.
func TestAuthorityKeyIsMountedNowhere(t *testing.T) {
	builtIn := render(t, with())
	if volumes := builtIn.pod(t, "volumes"); volumes != nil {
		t.Errorf("built-in: got volumes %v, want none", volumes)
	}
	for id := range builtIn {
		if strings.HasPrefix(id, "Secret/") && (builtIn[id]["data"] != nil || builtIn[id]["stringData"] != nil) {
			t.Errorf("%s has data, which an upgrade would reset", id)
		}
	}
	managed := render(t, with("certificates.source", "cert-manager"))
	want := []any{map[string]any{"name": "certificates", "secret": map[string]any{"secretName": "aksess-webhook-cert", "items": []any{
		map[string]any{"key": "tls.crt", "path": "tls.crt"}, map[string]any{"key": "tls.key", "path": "tls.key"},
	}}}}
	if got := managed.pod(t, "volumes"); !reflect.DeepEqual(got, want) {
		t.Errorf("cert-manager: got volumes %v, want %v", got, want)
	}
	if got := managed.at(t, "Certificate/aksess-webhook", "spec", "secretName"); got != "aksess-webhook-cert" {
		t.Errorf("got the certificate in %v", got)
	}
	for _, id := range []string{"Secret/aksess-webhook-ca", "Secret/aksess-webhook-tls", "Role/aksess-webhook", "RoleBinding/aksess-webhook", "Lease/aksess-webhook"} {
		if managed[id] != nil {
			t.Errorf("cert-manager: got %s, which nobody needs", id)
		}
	}
}

func TestSubchart(t *testing.T) {
	values := with("global", map[string]any{"registry": "registry.example"})
	if _, err := load(t).Render(helm.Release{Values: values}); err != nil {
		t.Errorf("got %v for the global values of another chart", err)
	}
}

func TestNotes(t *testing.T) {
	for want, values := range map[string]map[string]any{
		"-n there rollout status deployment/aksess-webhook": with(),
		"failurePolicy is Ignore":                           with("failurePolicy", "Ignore"),
		"labelled pods cannot be created":                   with("replicaCount", 1),
		"not to Azure":                                      with("localAzure.proxyURL", "http://x:1", "localAzure.caConfigMap", "ca"),
		"no proxy image":                                    with("proxy.image.repository", ""),
	} {
		rendered, err := load(t).Render(helm.Release{Namespace: "there", Values: values})
		if err != nil || !strings.Contains(rendered.Notes, want) {
			t.Errorf("got %q, %v, want %q", rendered.Notes, err, want)
		}
	}
}
