package helm_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aksess/aksess/test/helm"
)

// change is another value than the default.
type change struct {
	to   any
	with []any // what it needs to mean something
	// stays: it is no setting of the webhook or its pods, so that they are not
	// rolled. Everything else must roll them.
	stays bool
}

var (
	certManager = []any{"certificates.source", "cert-manager"}
	monitored   = []any{"serviceMonitor.enabled", true}
	guarded     = []any{"networkPolicy.enabled", true}
	ownInit     = []any{"proxy.initImage.repository", "registry.example/init", "proxy.initImage.release", "v1"}
	bound       = []any{"customTokenEndpoint.azureKubernetesTokenProxy", "https://a.example"}
	local       = []any{"localAzure.proxyURL", "http://a:1", "localAzure.caConfigMap", "a"}
	digest      = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	peers       = []any{map[string]any{"podSelector": map[string]any{}}}
	quantities  = map[string]any{"limits": map[string]any{"memory": "128Mi"}}
)

// changes has every value of the chart.
func changes() map[string]change {
	return map[string]change{
		"azureTenantID":                 {to: "contoso.onmicrosoft.com"},
		"azureEnvironment":              {to: "AzureChinaCloud"},
		"authorityHost":                 {to: "https://login.example/"},
		"audience":                      {to: "api://other"},
		"oldTokenPath":                  {to: false},
		"fullnameOverride":              {to: "other"},
		"image.repository":              {to: "registry.example/w"},
		"image.release":                 {to: "v9"},
		"image.digest":                  {to: digest},
		"image.pullPolicy":              {to: "Always"},
		"imagePullSecrets":              {to: []any{map[string]any{"name": "s"}}},
		"replicaCount":                  {to: 3, stays: true},
		"resources":                     {to: quantities},
		"priorityClassName":             {to: "other"},
		"nodeSelector":                  {to: map[string]any{"pool": "system"}},
		"tolerations":                   {to: []any{map[string]any{"operator": "Exists"}}},
		"affinity":                      {to: map[string]any{}},
		"topologySpreadConstraints":     {to: []any{}},
		"podDisruptionBudget.enabled":   {to: false, stays: true},
		"strategy":                      {to: map[string]any{"type": "Recreate"}, stays: true},
		"revisionHistoryLimit":          {to: 0, stays: true},
		"podLabels":                     {to: map[string]any{"a": "b"}},
		"podAnnotations":                {to: map[string]any{"a": "b"}},
		"drainSeconds":                  {to: 0},
		"terminationGracePeriodSeconds": {to: 60},
		"service.type":                  {to: "NodePort", stays: true},
		"service.port":                  {to: 8443, stays: true},
		"service.targetPort":            {to: 10250},
		"service.annotations":           {to: map[string]any{"a": "b"}, stays: true},
		"hostNetwork":                   {to: true},
		"healthPort":                    {to: 8080},
		"failurePolicy":                 {to: "Ignore", stays: true},
		"timeoutSeconds":                {to: 10, stays: true},
		"reinvocationPolicy":            {to: "Never", stays: true},
		"matchPolicy":                   {to: "Exact", stays: true},
		"mutatingWebhookAnnotations":    {to: map[string]any{"a": "b"}, stays: true},
		"excludedNamespaces":            {to: []any{"kube-public"}, stays: true},
		"aksNamespaceSelector":          {to: true, stays: true},
		"warnWebhook.enabled":           {to: true},
		"warnWebhook.timeoutSeconds":    {to: 3, with: []any{"warnWebhook.enabled", true}, stays: true},
		"certificates.source":           {to: "cert-manager"},
		"certificates.caLife":           {to: "17520h"},
		"certificates.certLife":         {to: "1h"},
		"certificates.caOverlap":        {to: "1h"},
		"tlsMinVersion":                 {to: "1.2"},
		"logLevel":                      {to: "debug"},
		"logFormat":                     {to: "text"},
		"events":                        {to: false},
		"metricsAddr":                   {to: "0"},
		"serviceMonitor.enabled":        {to: true, stays: true},
		"serviceMonitor.labels":         {to: map[string]any{"a": "b"}, with: monitored, stays: true},
		"serviceMonitor.interval":       {to: "1m", with: monitored, stays: true},
		"serviceMonitor.scrapeTimeout":  {to: "1s", with: monitored, stays: true},
		"networkPolicy.enabled":         {to: true, stays: true},
		"networkPolicy.webhookFrom":     {to: peers, with: guarded, stays: true},
		"networkPolicy.metricsFrom":     {to: peers, with: guarded, stays: true},
		"pprofAddr":                     {to: "127.0.0.1:6060"},
		"extraArgs":                     {to: []any{"--dns-name=a.example"}},
		"extraEnv":                      {to: []any{map[string]any{"name": "A", "value": "b"}}},
		"extraVolumes":                  {to: []any{map[string]any{"name": "a", "emptyDir": map[string]any{}}}},
		"extraVolumeMounts":             {to: []any{map[string]any{"name": "a", "mountPath": "/a"}}},
		"serviceAccount.create":         {to: false, stays: true},
		"serviceAccount.name":           {to: "other"},
		"serviceAccount.annotations":    {to: map[string]any{"a": "b"}, stays: true},
		"rbac.create":                   {to: false, stays: true},

		"podDisruptionBudget.minAvailable":     {to: 0, stays: true},
		"podDisruptionBudget.maxUnavailable":   {to: 0, stays: true},
		"mutatingWebhookNamespaceSelector":     {to: map[string]any{"matchLabels": map[string]any{"a": "b"}}, stays: true},
		"certificates.certManager.issuerRef":   {to: map[string]any{"name": "i"}, with: certManager, stays: true},
		"certificates.certManager.duration":    {to: "3h", with: certManager, stays: true},
		"certificates.certManager.renewBefore": {to: "2h", with: certManager, stays: true},

		"proxy.image.repository":     {to: ""},
		"proxy.image.release":        {to: "v9"},
		"proxy.image.digest":         {to: digest},
		"proxy.image.pullPolicy":     {to: "Never"},
		"proxy.initImage.repository": {to: "registry.example/init"},
		"proxy.initImage.release":    {to: "v2", with: ownInit},
		"proxy.initImage.digest":     {to: digest, with: ownInit},
		"proxy.initPrivileged":       {to: true},
		"proxy.sidecar":              {to: "classic"},
		"proxy.mode":                 {to: "endpoint"},
		"proxy.port":                 {to: 8081},
		"proxy.pass":                 {to: "/metadata/instance"},
		"proxy.resources":            {to: nil},
		"proxy.initResources":        {to: nil},

		"customTokenEndpoint.annotationSuffix":                  {to: "x", with: bound},
		"customTokenEndpoint.audience":                          {to: "api://x", with: bound},
		"customTokenEndpoint.azureKubernetesTokenProxy":         {to: "https://x.example"},
		"customTokenEndpoint.azureKubernetesSniName":            {to: "x", with: bound},
		"customTokenEndpoint.azureKubernetesCaData":             {to: authority, with: bound},
		"customTokenEndpoint.azureKubernetesCAConfigMapName":    {to: "x", with: bound},
		"customTokenEndpoint.azureKubernetesCACTBSignerName":    {to: "x", with: bound},
		"customTokenEndpoint.azureKubernetesCACTBLabelSelector": {to: "{}", with: append([]any{"customTokenEndpoint.azureKubernetesCACTBSignerName", "s"}, bound...)},

		"localAzure.proxyURL":           {to: "http://x:1", with: local},
		"localAzure.noProxy":            {to: "x", with: local},
		"localAzure.ca":                 {to: authority + "\n", with: []any{"localAzure.proxyURL", "http://a:1", "localAzure.ca", authority}},
		"localAzure.caConfigMap":        {to: "x", with: local},
		"localAzure.trustStoreKey":      {to: "x", with: local},
		"localAzure.trustStorePassword": {to: "x", with: local},
	}
}

// single are the values that have one setting only.
var single = map[string]bool{"metricsBackend": true}

// TestEveryValueIsLive changes the values one by one: upstream's chart has some
// that nothing reads. What the webhook is told must roll its pods, which
// upstream's does not; what it is not told must not.
func TestEveryValueIsLive(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(helm.Dir(root), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values, err := helm.Values(raw)
	if err != nil {
		t.Fatal(err)
	}
	changed := changes()
	for _, value := range values {
		change, known := changed[value.Path]
		if !known && !single[value.Path] {
			t.Errorf("%s is not among the changes of this test", value.Path)
		}
		delete(changed, value.Path)
		if known {
			t.Run(value.Path, func(t *testing.T) { checkLive(t, value.Path, change) })
		}
	}
	if len(changed) > 0 {
		t.Errorf("got no values %v, which this test changes", changed)
	}
}

func checkLive(t *testing.T, path string, change change) {
	before := render(t, with(change.with...))
	after := render(t, with(append(append([]any{}, change.with...), path, change.to)...))
	if reflect.DeepEqual(before, after) {
		t.Error("nothing depends on it")
	}
	if path == "fullnameOverride" {
		return
	}
	args, env := commandLine(t, after)
	if _, log := start(t, append(args, "--kubeconfig=absent"), env); !strings.Contains(log, `\"absent\"`) && !strings.Contains(log, `"absent"`) {
		t.Errorf("got %s, want the webhook to take its command line", log)
	}
	rolls := !reflect.DeepEqual(before.at(t, deployment, "spec", "template"), after.at(t, deployment, "spec", "template"))
	if rolls == change.stays {
		t.Errorf("got pods rolled: %t, want %t", rolls, !change.stays)
	}
}

// TestAnotherAuthorityRolls: the text is in a ConfigMap, which pods read once.
func TestAnotherAuthorityRolls(t *testing.T) {
	first := render(t, with("localAzure.proxyURL", "http://x:1", "localAzure.ca", authority))
	second := render(t, with("localAzure.proxyURL", "http://x:1", "localAzure.ca", authority+"two"))
	if reflect.DeepEqual(first.at(t, deployment, "spec", "template"), second.at(t, deployment, "spec", "template")) {
		t.Error("got the same pods for another certificate authority")
	}
}

// TestRenderingIsSteady: the same values give the same objects, so that an
// upgrade that changes nothing rolls nothing.
func TestRenderingIsSteady(t *testing.T) {
	for name, values := range valueSets(t) {
		first := render(t, maps.Clone(values))
		for range 3 {
			if !reflect.DeepEqual(first, render(t, maps.Clone(values))) {
				t.Errorf("%s: got other objects for the same values", name)
			}
		}
	}
}

// TestValuesAreWhereTheyBelong: what is passed on as it is arrives as it is.
func TestValuesAreWhereTheyBelong(t *testing.T) {
	object := func(key, value string) map[string]any { return map[string]any{key: value} }
	pod := func(path ...any) []any { return append([]any{"spec", "template", "spec"}, path...) }
	for _, test := range []struct {
		value string
		to    any
		id    string
		at    []any
	}{
		{"nodeSelector", map[string]any{"kubernetes.io/os": "linux", "pool": "system"}, deployment, pod("nodeSelector")},
		{"tolerations", []any{object("key", "CriticalAddonsOnly")}, deployment, pod("tolerations")},
		{"affinity", map[string]any{"nodeAffinity": map[string]any{}}, deployment, pod("affinity")},
		{"topologySpreadConstraints", []any{object("topologyKey", "zone")}, deployment, pod("topologySpreadConstraints")},
		{"imagePullSecrets", []any{object("name", "registry")}, deployment, pod("imagePullSecrets")},
		{"priorityClassName", "high", deployment, pod("priorityClassName")},
		{"terminationGracePeriodSeconds", 60, deployment, pod("terminationGracePeriodSeconds")},
		{"resources", map[string]any{"limits": map[string]any{"memory": "1Gi"}, "requests": map[string]any{"cpu": "1", "memory": "1Gi"}}, deployment, pod("containers", 0, "resources")},
		{"extraVolumes", []any{object("name", "scratch")}, deployment, pod("volumes")},
		{"extraVolumeMounts", []any{map[string]any{"name": "scratch", "mountPath": "/scratch"}}, deployment, pod("containers", 0, "volumeMounts")},
		{"podLabels.team", "platform", deployment, []any{"spec", "template", "metadata", "labels", "team"}},
		{"podAnnotations.team", "platform", deployment, []any{"spec", "template", "metadata", "annotations", "team"}},
		{"revisionHistoryLimit", 3, deployment, []any{"spec", "revisionHistoryLimit"}},
		{"replicaCount", 3, deployment, []any{"spec", "replicas"}},
		{"strategy", object("type", "Recreate"), deployment, []any{"spec", "strategy"}},
		{"service.annotations", object("a", "b"), "Service/aksess-webhook", []any{"metadata", "annotations"}},
		{"service.type", "NodePort", "Service/aksess-webhook", []any{"spec", "type"}},
		{"serviceAccount.annotations", object("a", "b"), "ServiceAccount/aksess-webhook", []any{"metadata", "annotations"}},
		{"mutatingWebhookAnnotations", object("a", "b"), configuration, []any{"metadata", "annotations"}},
		{"failurePolicy", "Ignore", configuration, []any{"webhooks", 0, "failurePolicy"}},
		{"timeoutSeconds", 9, configuration, []any{"webhooks", 0, "timeoutSeconds"}},
		{"podDisruptionBudget.minAvailable", 1, "PodDisruptionBudget/aksess-webhook", []any{"spec", "minAvailable"}},
	} {
		got := asJSON(t, render(t, with(test.value, test.to)).at(t, test.id, test.at...))
		if want := asJSON(t, test.to); got != want {
			t.Errorf("%s: got %s at %v, want %s", test.value, got, test.at, want)
		}
	}
}
