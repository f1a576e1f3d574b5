package controlplane

import "encoding/json"

// kubeconfig is client-go's configuration file, in JSON, which is YAML too
// (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/). Byte slices
// become base64 in it, as its -data members want.
func kubeconfig(cluster, server string, ca []byte, user, context string, client pair) ([]byte, error) {
	type object = map[string]any
	return json.MarshalIndent(object{
		"apiVersion":      "v1",
		"kind":            "Config",
		"preferences":     object{},
		"clusters":        []object{{"name": cluster, "cluster": object{"server": server, "certificate-authority-data": ca}}},
		"users":           []object{{"name": user, "user": object{"client-certificate-data": client.cert, "client-key-data": client.key}}},
		"contexts":        []object{{"name": context, "context": object{"cluster": cluster, "user": user}}},
		"current-context": context,
	}, "", "  ")
}
