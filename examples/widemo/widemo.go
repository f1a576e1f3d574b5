// Package widemo is the reference scenario: its Kubernetes manifests as a cluster
// gets them, and its Terraform files. ${NAME} stands for values that the infrastructure's outputs give.
package widemo

import (
	"embed"
	"os"
)

//go:embed k8s/*.yaml
var manifests embed.FS

// Manifest returns one of the manifests with its ${NAME} values replaced.
func Manifest(name string, values map[string]string) ([]byte, error) {
	text, err := manifests.ReadFile("k8s/" + name)
	if err != nil {
		return nil, err
	}
	return []byte(os.Expand(string(text), func(variable string) string {
		if value, ok := values[variable]; ok {
			return value
		}
		return "${" + variable + "}"
	})), nil
}
