package webhook

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/inject"
)

func TestParseProxy(t *testing.T) {
	got, err := parse([]string{
		"--proxy-init-privileged", "--proxy-pull-policy=Always", "--proxy-mode=endpoint",
		`--proxy-resources={"limits":{"cpu":1,"memory":"32Mi"},"requests":{"cpu":0.5}}`, "--proxy-init-resources={}",
	}, environment("AZURE_TENANT_ID="+tenant, "PROXY_IMAGE=p:1"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := inject.Proxy{
		Image: "p:1", Mode: inject.ModeEndpoint, PrivilegedInit: true, PullPolicy: "Always",
		Resources:     &inject.Resources{Limits: map[string]string{"cpu": "1", "memory": "32Mi"}, Requests: map[string]string{"cpu": "500m"}},
		InitResources: &inject.Resources{Limits: map[string]string{}, Requests: map[string]string{}},
	}
	if !reflect.DeepEqual(got.inject.Proxy, want) {
		t.Errorf("got %+v, want %+v", got.inject.Proxy, want)
	}
}

func TestParseProxyErrors(t *testing.T) {
	tests := []struct{ name, arg, want string }{
		{"obsolete", "--proxy-init-unprivileged", "not defined"},
		{"mode", "--proxy-mode=none", `mode "none"`},
		{"pull_policy", "--proxy-pull-policy=Sometimes", "Sometimes"},
		{"no_json", "--proxy-resources=10m", "--proxy-resources"},
		{"two_values", "--proxy-resources={}{}", "after the JSON object"},
		{"unknown_field", `--proxy-resources={"claims":[]}`, "claims"},
		{"unknown_resource", `--proxy-resources={"limits":{"mem":"1Mi"}}`, "limits.mem"},
		{"no_quantity", `--proxy-resources={"limits":{"memory":"much"}}`, "quantities"},
		{"negative", `--proxy-init-resources={"requests":{"cpu":"-1"}}`, "negative"},
		{"more_than_limit", `--proxy-init-resources={"requests":{"memory":"1Gi"},"limits":{"memory":"64Mi"}}`, "more than limits.memory 64Mi"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse([]string{test.arg}, environment("AZURE_TENANT_ID="+tenant, "PROXY_IMAGE=p"), io.Discard)
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "-proxy", "--proxy"), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}
