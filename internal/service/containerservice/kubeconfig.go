package containerservice

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

// kubeconfig is client-go's configuration file, in JSON, which is YAML too
// (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/).
func (s *Clusters) kubeconfig(name string, own private) ([]byte, error) {
	user := "clusterAdmin_" + name
	return json.MarshalIndent(map[string]any{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []any{map[string]any{"name": name, "cluster": map[string]any{
			"server": "https://" + own.FQDN + ":443", "certificate-authority-data": base64.StdEncoding.EncodeToString(s.CA),
		}}},
		"users":           []any{map[string]any{"name": user, "user": map[string]any{"token": own.Token}}},
		"contexts":        []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": user}}},
		"current-context": name,
	}, "", "  ")
}

func (s *Clusters) adminCredential(w http.ResponseWriter, _ *azapi.Request, r *arm.Resource) error {
	p, err := read(r)
	if err != nil {
		return err
	}
	if p.DisableLocalAccounts {
		return localAccountsDisabled.New()
	}
	return s.credential(w, r, "clusterAdmin")
}

// userCredential answers the same credential under the user's name: the
// issuer-only driver has one user.
func (s *Clusters) userCredential(w http.ResponseWriter, _ *azapi.Request, r *arm.Resource) error {
	return s.credential(w, r, "clusterUser")
}

func (s *Clusters) credential(w http.ResponseWriter, r *arm.Resource, name string) error {
	var own private
	if err := json.Unmarshal(r.Private, &own); err != nil {
		return err
	}
	config, err := s.kubeconfig(r.Name, own)
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{"kubeconfigs": []any{map[string]any{
		"name": name, "value": base64.StdEncoding.EncodeToString(config),
	}}})
}
