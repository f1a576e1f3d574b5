package inject

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// restricted returns what the Pod Security Standard of that name has against a
// pod, field by field
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted).
func restricted(t *testing.T, raw []byte) []string {
	t.Helper()
	var pod struct {
		Spec struct {
			HostNetwork, HostPID, HostIPC bool
			Volumes                       []map[string]json.RawMessage
			SecurityContext               securityView
			InitContainers, Containers    []struct {
				Name            string
				Ports           []struct{ HostPort int }
				SecurityContext securityView
				Lifecycle       json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(raw, &pod); err != nil {
		t.Fatal(err)
	}
	var against []string
	if pod.Spec.HostNetwork || pod.Spec.HostPID || pod.Spec.HostIPC {
		against = append(against, "host namespaces")
	}
	for _, volume := range pod.Spec.Volumes {
		for kind := range volume {
			if !slices.Contains([]string{"name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}, kind) {
				against = append(against, "volume type "+kind)
			}
		}
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, rule := range c.SecurityContext.over(pod.Spec.SecurityContext).unrestricted() {
			against = append(against, c.Name+": "+rule)
		}
		for _, port := range c.Ports {
			if port.HostPort != 0 {
				against = append(against, c.Name+": host port")
			}
		}
		if strings.Contains(string(c.Lifecycle), `"host"`) {
			against = append(against, c.Name+": host of a hook")
		}
	}
	return against
}

func (c securityView) unrestricted() []string {
	var against []string
	for rule, broken := range map[string]bool{
		"privileged":               c.Privileged != nil && *c.Privileged,
		"allowPrivilegeEscalation": c.AllowPrivilegeEscalation == nil || *c.AllowPrivilegeEscalation,
		"runAsNonRoot":             c.RunAsNonRoot == nil || !*c.RunAsNonRoot,
		"runAsUser":                c.RunAsUser != nil && *c.RunAsUser == 0,
		"seccompProfile":           c.SeccompProfile == nil || c.SeccompProfile.Type == "Unconfined",
		"capabilities": c.Capabilities == nil || !slices.Contains(c.Capabilities.Drop, "ALL") ||
			slices.ContainsFunc(c.Capabilities.Add, func(name string) bool { return name != "NET_BIND_SERVICE" }),
	} {
		if broken {
			against = append(against, rule)
		}
	}
	slices.Sort(against)
	return against
}

// TestRestrictedPods: what passes the standard before the webhook passes it
// afterwards, proxy and local Azure included, unless traffic is redirected.
func TestRestrictedPods(t *testing.T) {
	const (
		context = `{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}`
		pod     = `{"metadata":{"name":"p","labels":{"azure.workload.identity/use":"true"},"annotations":{"azure.workload.identity/inject-proxy-sidecar":%q}},
"spec":{"securityContext":{"runAsNonRoot":true,"runAsUser":1000,"seccompProfile":{"type":"RuntimeDefault"}},
"initContainers":[{"name":"migrate","securityContext":` + context + `}],"containers":[{"name":"app","securityContext":` + context + `}]}}`
	)
	ca, configMap := &LocalAzure{ProxyURL: "http://a:1", CA: []byte("pem")}, &LocalAzure{ProxyURL: "http://a:1", CAConfigMap: "m"}
	tests := []struct {
		name, proxy string
		config      Config
		want        []string
	}{
		{"no_proxy", "false", Config{LocalAzure: ca}, nil},
		{"endpoint", "true", Config{Proxy: Proxy{Image: "p", Mode: ModeEndpoint}, LocalAzure: configMap}, nil},
		{"endpoint_classic", "true", Config{Proxy: Proxy{Image: "p", Mode: ModeEndpoint, Classic: true}, LocalAzure: ca}, nil},
		{"redirect", "true", Config{Proxy: Proxy{Image: "p"}},
			[]string{"azwi-proxy-init: capabilities", "azwi-proxy-init: runAsNonRoot", "azwi-proxy-init: runAsUser"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw := fmt.Appendf(nil, pod, test.proxy)
			if before := restricted(t, raw); before != nil {
				t.Fatalf("before: got %v, want nothing", before)
			}
			result, err := Mutate(raw, ServiceAccount{}, test.config)
			if err != nil {
				t.Fatal(err)
			}
			if got := restricted(t, apply(t, raw, result.Patch)); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
