package inject

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
)

// generator makes random pods in the generic form, with fields that no version
// of Kubernetes has at every level.
type generator struct{ *rand.Rand }

func (g generator) pick(values ...string) string { return values[g.IntN(len(values))] }

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

func (g generator) object(fields map[string]any) map[string]any {
	if g.chance(40) {
		fields["x-unknown"] = []any{map[string]any{"n": json.Number("12345678901234567890")}, nil, "~/é\n"}
	}
	return fields
}

func (g generator) list(most int, one func() any) any {
	if g.chance(15) {
		return nil
	}
	values := []any{}
	for range g.IntN(most + 1) {
		values = append(values, one())
	}
	return values
}

func (g generator) container() any {
	c := g.object(map[string]any{"name": g.pick("a", "b", "c", "azwi-proxy", "azwi-proxy-init"), "image": "i"})
	if g.chance(70) {
		c["env"] = g.list(4, func() any {
			return g.object(map[string]any{"name": g.pick("A", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_ID_A", "HTTPS_PROXY", "SSL_CERT_FILE", "AZURE_CLIENT_SECRET", "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
				"AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA"), "value": "v"})
		})
	}
	if g.chance(70) {
		c["volumeMounts"] = g.list(3, func() any {
			return g.object(map[string]any{
				"name":      g.pick("v", "azure-identity-token", "aksess-local-azure-ca", podVolume),
				"mountPath": g.pick("/v", "/var/run/secrets/azure/wi", "/var/run/secrets/azure/tokens/", "/var/run/secrets", "/var/run/secrets/aksess"),
			})
		})
	}
	if g.chance(30) {
		c["envFrom"] = g.list(2, func() any { return g.object(map[string]any{"prefix": g.pick("", "A", "B_")}) })
	}
	if g.chance(30) {
		c["securityContext"] = g.object(map[string]any{"runAsUser": g.IntN(2) * proxyUID, "runAsNonRoot": g.chance(50)})
	}
	if g.chance(30) {
		c["ports"] = g.list(2, func() any { return g.object(map[string]any{"containerPort": 8000}) })
	}
	return c
}

var podVolume = VolumeName(&Pod{Metadata: metadata{Name: "p"}})

func (g generator) volume() any {
	v := g.object(map[string]any{"name": g.pick("v", "azure-identity-token", "aksess-local-azure-ca", podVolume)})
	switch g.IntN(3) {
	case 0:
		v["emptyDir"] = g.object(map[string]any{})
	case 1:
		token := map[string]any{"audience": g.pick("api://AzureADTokenExchange", "x"), "expirationSeconds": 3600, "path": g.pick("token/azure-identity-token", "azure-identity-token")}
		v["projected"] = g.object(map[string]any{"defaultMode": 420, "sources": []any{map[string]any{"serviceAccountToken": token}}})
	default:
		v["projected"] = nil
	}
	return v
}

func (g generator) pod() map[string]any {
	annotations := map[string]any{"other": "x"}
	for key, values := range map[string][]string{
		"azure.workload.identity/inject-proxy-sidecar": {"true", "false"},
		"azure.workload.identity/skip-containers":      {"a", "b;c", "azwi-proxy", "nobody"},
		"azure.workload.identity/proxy-sidecar-port":   {"8000", "9000"},
		"azure.workload.identity/proxy-sidecar-mode":   {"redirect", "endpoint"},
		"azure.workload.identity/use-identity-binding": {"true", "false"},
		"aksess.github.io/local-azure-ca":              {"old"},
	} {
		if g.chance(50) {
			annotations[key] = g.pick(values...)
		}
	}
	meta := g.object(map[string]any{"name": "p", "labels": map[string]any{"azure.workload.identity/use": "true"}})
	if g.chance(80) {
		meta["annotations"] = annotations
	}
	spec := g.object(map[string]any{"containers": g.list(3, g.container)})
	if g.chance(60) {
		spec["initContainers"] = g.list(3, g.container)
	}
	if g.chance(80) {
		spec["volumes"] = g.list(4, g.volume)
	}
	if g.chance(50) {
		spec["securityContext"] = g.object(map[string]any{"runAsUser": g.IntN(2) * proxyUID, "fsGroup": 1})
	}
	if g.chance(70) {
		spec["restartPolicy"] = g.pick("Always", "OnFailure", "Never")
	}
	if g.chance(40) {
		spec["shareProcessNamespace"] = []any{true, false, nil}[g.IntN(3)]
	}
	if g.chance(20) {
		spec["hostPID"] = g.chance(50)
	}
	if g.chance(30) {
		spec["resources"] = g.object(map[string]any{"limits": g.object(map[string]any{"memory": "1Gi"})})
	}
	return g.object(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
}

func (g generator) config() Config {
	config := Config{NoOldTokenPath: g.chance(30), Proxy: Proxy{Image: "p", InitImage: "i", Classic: g.chance(50), PrivilegedInit: g.chance(30)}}
	if g.chance(50) {
		config.LocalAzure = &LocalAzure{ProxyURL: "http://a:1", CA: []byte("pem")}
		if g.chance(50) {
			config.LocalAzure.CA, config.LocalAzure.CAConfigMap = nil, "m"
		}
	}
	if g.chance(50) {
		config.TokenEndpoint = &TokenEndpoint{ProxyURL: "https://a", SNIName: g.pick("", "b")}
		switch g.IntN(4) {
		case 0:
			config.TokenEndpoint.CAConfigMap = "m"
		case 1:
			config.TokenEndpoint.CAData = "pem"
		case 2:
			config.TokenEndpoint.CASigner = "s"
			config.TokenEndpoint.CALabels = &LabelSelector{MatchLabels: map[string]string{}, MatchExpressions: []LabelRequirement{{Key: "k", Operator: "Exists", Values: []string{}}}}
		}
	}
	return config
}

// TestMutateRandomPods: for any pod a second admission changes nothing, and
// nothing that was there is gone.
func TestMutateRandomPods(t *testing.T) {
	const pods = 2_000
	const guid = "33333333-3333-3333-3333-333333333333"
	sa := ServiceAccount{Namespace: "n", Name: "s", Annotations: map[string]string{
		"azure.workload.identity/client-id": guid, "azure.workload.identity/client-ids": "a=" + guid + ",b=" + guid,
	}}
	for seed := range uint64(pods) {
		g := generator{rand.New(rand.NewPCG(seed, 0))}
		raw, err := json.Marshal(g.pod())
		if err != nil {
			t.Fatal(err)
		}
		config := g.config()
		first, err := Mutate(raw, sa, config)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, raw, err)
		}
		mutated := apply(t, raw, first.Patch)
		second, err := Mutate(mutated, sa, config)
		if err != nil || len(second.Patch) != 0 {
			t.Fatalf("seed %d: %s\nfirst %s\nsecond %s, %v, want nothing", seed, raw, AppendPatch(nil, first.Patch), AppendPatch(nil, second.Patch), err)
		}
		var before, after any
		unmarshal(t, raw, &before)
		unmarshal(t, mutated, &after)
		if lost := missing("", before, after); lost != "" {
			t.Fatalf("seed %d: %s is lost from %s by %s", seed, lost, raw, AppendPatch(nil, first.Patch))
		}
	}
}

// missing returns the path of something in before that after lacks; after may
// hold more. What we own may change: volumes of a reserved name, our annotation.
func missing(path string, before, after any) string {
	switch before := before.(type) {
	case map[string]any:
		after, ok := after.(map[string]any)
		if !ok {
			return path
		}
		if name, _ := before["name"].(string); reserved(name) && after["projected"] != nil {
			return ""
		}
		for key, value := range before {
			if value == nil || key == "aksess.github.io/local-azure-ca" {
				continue
			}
			if lost := missing(path+"/"+key, value, after[key]); lost != "" {
				return lost
			}
		}
	case []any:
		after, ok := after.([]any)
		if !ok {
			return path
		}
		for _, value := range before {
			for len(after) > 0 && missing(path, value, after[0]) != "" {
				after = after[1:]
			}
			if len(after) == 0 {
				return path
			}
			after = after[1:]
		}
	default:
		if !reflect.DeepEqual(before, after) {
			return path
		}
	}
	return ""
}
