package inject

import (
	"encoding/json"
	"slices"
	"testing"
)

// securityView is what Kubernetes' own rules say about users and rights.
type securityView struct {
	RunAsUser                *int64
	RunAsGroup               *int64
	RunAsNonRoot             *bool
	AllowPrivilegeEscalation *bool
	Privileged               *bool
	ReadOnlyRootFilesystem   *bool
	Capabilities             *capabilities
	SeccompProfile           *seccompProfile
}

// over fills what a container leaves open from its pod
// (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#security-context-1).
func (c securityView) over(pod securityView) securityView {
	if c.RunAsUser == nil {
		c.RunAsUser = pod.RunAsUser
	}
	if c.RunAsGroup == nil {
		c.RunAsGroup = pod.RunAsGroup
	}
	if c.RunAsNonRoot == nil {
		c.RunAsNonRoot = pod.RunAsNonRoot
	}
	if c.SeccompProfile == nil {
		c.SeccompProfile = pod.SeccompProfile
	}
	return c
}

// podView is a pod's security, whole and by container.
type podView struct {
	Spec struct {
		SecurityContext            securityView
		InitContainers, Containers []struct {
			Name            string
			SecurityContext securityView
		}
	}
}

// effective returns what holds for a container after the pod's share.
func (p podView) effective(t *testing.T, name string) securityView {
	t.Helper()
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		if c.Name == name {
			return c.SecurityContext.over(p.Spec.SecurityContext)
		}
	}
	t.Fatalf("no container %q", name)
	return securityView{}
}

// TestProxyWhateverThePodRunsAs: neither the proxy's user nor the init step's
// is the pod's to change, so the kubelet starts both and the proxy's own
// traffic is not sent back to it.
func TestProxyWhateverThePodRunsAs(t *testing.T) {
	for name, context := range map[string]string{
		"none": `{}`, "user": `{"runAsUser":1000,"runAsGroup":1000,"runAsNonRoot":true,"fsGroup":2000}`,
		"root": `{"runAsUser":0,"runAsGroup":0,"runAsNonRoot":false}`, "proxys_own": `{"runAsUser":1501,"runAsNonRoot":true}`,
		"unconfined": `{"seccompProfile":{"type":"Unconfined"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			pod := []byte(`{"metadata":{"name":"p","labels":{"azure.workload.identity/use":"true"},"annotations":{"azure.workload.identity/inject-proxy-sidecar":"true"}},
"spec":{"securityContext":` + context + `,"containers":[{"name":"a"}]}}`)
			result, err := Mutate(pod, ServiceAccount{}, Config{Proxy: Proxy{Image: "p"}})
			if err != nil {
				t.Fatal(err)
			}
			var mutated podView
			if err := json.Unmarshal(apply(t, pod, result.Patch), &mutated); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if recover() != nil { // a nil pointer is a value that the pod may set
					t.Errorf("got containers %s, want every value set", encode(mutated.Spec.InitContainers))
				}
			}()
			proxy, init := mutated.effective(t, "azwi-proxy"), mutated.effective(t, "azwi-proxy-init")
			if *proxy.RunAsUser != 1501 || *proxy.RunAsGroup != 1501 || !*proxy.RunAsNonRoot || len(proxy.Capabilities.Add) > 0 {
				t.Errorf("proxy: got %s, want user and group 1501, not root, no capabilities", encode(proxy))
			}
			if *init.RunAsUser != 0 || *init.RunAsGroup != 0 || *init.RunAsNonRoot || !slices.Equal(init.Capabilities.Add, []string{"NET_ADMIN"}) {
				t.Errorf("init step: got %s, want root with NET_ADMIN", encode(init))
			}
			for _, c := range []securityView{proxy, init} {
				if c.Privileged != nil || *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem ||
					!slices.Equal(c.Capabilities.Drop, []string{"ALL"}) || c.SeccompProfile.Type != "RuntimeDefault" {
					t.Errorf("got %s, want least privilege", encode(c))
				}
			}
		})
	}
}
