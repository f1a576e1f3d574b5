package demo

import (
	"bytes"
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/examples/widemo"
)

// values are what the manifests' ${NAME} stand for.
func (s *scenario) values() map[string]string {
	return map[string]string{
		"USER_ASSIGNED_CLIENT_ID": s.clientID, "AZURE_TENANT_ID": s.account.TenantID,
		"APP_CONFIG_ENDPOINT": "https://" + storeName + ".azconfig.io", "KEY_VAULT_NAME": vaultName, "STORAGE_ACCOUNT_NAME": accountName,
	}
}

// manifestObject is any object of the manifests.
type manifestObject struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
	Spec struct {
		Template json.RawMessage `json:"template"`
	} `json:"spec"`
}

// objects reads the manifests with the scenario's values.
func (s *scenario) objects() ([]manifestObject, error) {
	var all []manifestObject
	for _, name := range []string{"00-prerequisites.yaml", "10-wi-api.yaml"} {
		text, err := widemo.Manifest(name, s.values())
		if err != nil {
			return nil, err
		}
		for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
			var object manifestObject
			if err := yaml.Unmarshal(document, &object); err != nil {
				return nil, fmt.Errorf("reading %s: %w", name, err)
			}
			all = append(all, object)
		}
	}
	return all, nil
}

// podOf is the pod that the Deployment's controller would create, as the API
// server hands it to admission.
func podOf(template json.RawMessage, labelled bool) ([]byte, error) {
	var pod map[string]any
	if err := json.Unmarshal(template, &pod); err != nil {
		return nil, err
	}
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	metadata, _ := pod["metadata"].(map[string]any)
	metadata["generateName"], metadata["namespace"] = "wi-api-", namespace
	if labels, ok := metadata["labels"].(map[string]any); ok && !labelled {
		delete(labels, "azure.workload.identity/use")
	}
	return json.Marshal(pod)
}
