package containerservice

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/cluster/driver"
)

// Names of credentials; clients look for exactly these.
const (
	clusterAdmin      = "clusterAdmin"
	clusterUser       = "clusterUser"
	clusterMonitoring = "clusterMonitoringUser"
)

// monitoringGroup has no rights of its own: a cluster's administrator binds it.
const monitoringGroup = "aksess:monitoring"

func (s *Clusters) adminCredential(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource) error {
	config, err := s.adminConfig(r.Context(), cluster)
	return writeCredential(w, clusterAdmin, config, err)
}

func (s *Clusters) adminConfig(ctx context.Context, cluster *arm.Resource) ([]byte, error) {
	p, err := read(cluster)
	if err != nil {
		return nil, err
	}
	if p.DisableLocalAccounts {
		return nil, localAccountsDisabled.New()
	}
	return s.config(ctx, cluster, clusterAdmin, []string{driver.SystemMasters})
}

func (s *Clusters) userCredential(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource) error {
	config, err := s.userConfig(r, cluster)
	return writeCredential(w, clusterUser, config, err)
}

func (s *Clusters) userConfig(r *azapi.Request, cluster *arm.Resource) ([]byte, error) {
	groups, err := s.userGroups(r, cluster)
	if err != nil {
		return nil, err
	}
	return s.config(r.Context(), cluster, clusterUser, groups)
}

// userGroups are the groups of a user's certificate. Without Entra integration
// AKS gives every user the administrator's rights, unless local accounts are
// disabled. With it, AKS gives a
// kubeconfig that signs in to Entra, and the rights are those of the caller's
// groups. A certificate stands in for that here: it has the caller's groups, and
// for callers who could have the administrator's credential as well those of
// the cluster's administrators.
func (s *Clusters) userGroups(r *azapi.Request, cluster *arm.Resource) ([]string, error) {
	p, err := read(cluster)
	if err != nil {
		return nil, err
	}
	switch {
	case p.AADProfile == nil && p.DisableLocalAccounts:
		return nil, localAccountsDisabled.New()
	case p.AADProfile == nil:
		return []string{driver.SystemMasters}, nil
	}
	groups := append([]string(nil), r.Caller.Groups...)
	if p.DisableLocalAccounts {
		return groups, nil
	}
	verdict, err := r.Allowed(r.Context(), azapi.Control(TypeCluster+"/listClusterAdminCredential/action"), cluster.ID)
	if err != nil {
		return nil, err
	}
	if !verdict.Allowed {
		return groups, nil
	}
	if len(p.AADProfile.AdminGroupObjectIDs) == 0 {
		return append(groups, driver.SystemMasters), nil
	}
	return append(groups, p.AADProfile.AdminGroupObjectIDs...), nil
}

// monitoringCredential is of a user who may do nothing until a cluster's
// administrator says so. The issuer-only driver has one user, who may do
// everything, and gives it to no such caller.
func (s *Clusters) monitoringCredential(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource) error {
	if s.Driver == nil {
		return notServed.New("A cluster with the issuer-only driver has no monitoring user.")
	}
	config, err := s.config(r.Context(), cluster, clusterMonitoring, []string{monitoringGroup})
	return writeCredential(w, clusterMonitoring, config, err)
}

func writeCredential(w http.ResponseWriter, name string, config []byte, err error) error {
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{"kubeconfigs": []any{map[string]any{
		"name": name, "value": base64.StdEncoding.EncodeToString(config),
	}}})
}

// getAccessProfile is the profile without its credential, which the handler of
// listCredential gives
// (https://learn.microsoft.com/rest/api/aks/managed-clusters/get-access-profile).
func getAccessProfile(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource) error {
	return writeAccessProfile(w, r, cluster, nil)
}

// accessProfileCredential is the older form of the two credentials.
func (s *Clusters) accessProfileCredential(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource) error {
	var config []byte
	var err error
	switch {
	case strings.EqualFold(r.Param("role"), clusterAdmin):
		config, err = s.adminConfig(r.Context(), cluster)
	case strings.EqualFold(r.Param("role"), clusterUser):
		config, err = s.userConfig(r, cluster)
	}
	if err != nil {
		return err
	}
	return writeAccessProfile(w, r, cluster, config)
}

func writeAccessProfile(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource, config []byte) error {
	role := r.Param("role")
	if !strings.EqualFold(role, clusterAdmin) && !strings.EqualFold(role, clusterUser) {
		return noSuchRole.New(fmt.Sprintf("%.64s", role))
	}
	profile := map[string]any{}
	if config != nil {
		profile["kubeConfig"] = config // base64 in JSON
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{
		"id": cluster.ID + "/accessProfiles/" + role, "name": role, "type": TypeCluster + "/accessProfiles",
		"location": cluster.Location, "properties": profile,
	})
}

// config is the kubeconfig of a user of the cluster. The context has the
// cluster's name, the administrator's too: az appends -admin to it.
func (s *Clusters) config(ctx context.Context, cluster *arm.Resource, name string, groups []string) ([]byte, error) {
	id, err := chain.ParseID(cluster.ID)
	if err != nil {
		return nil, err
	}
	user := driver.User{Name: name + "_" + id.ResourceGroup + "_" + cluster.Name, Context: cluster.Name, Groups: groups}
	if s.Driver == nil {
		return s.issuerOnlyConfig(cluster, user)
	}
	spec, err := s.spec(ctx, cluster)
	if err != nil {
		return nil, err
	}
	config, err := s.Driver.Kubeconfig(ctx, spec, user)
	if errors.Is(err, driver.ErrNotAdministrator) {
		return nil, notAdministrator.New().With(err)
	}
	return config, err
}

// noRights is the token of users without any. Clients refuse a kubeconfig
// without a credential; the API server refuses this one.
const noRights = "no-rights"

// issuerOnlyConfig has the cluster's one token, which mints those of all service
// accounts, for administrators only.
func (s *Clusters) issuerOnlyConfig(cluster *arm.Resource, user driver.User) ([]byte, error) {
	p, err := read(cluster)
	if err != nil {
		return nil, err
	}
	own, err := ownOf(cluster)
	if err != nil {
		return nil, err
	}
	var spec driver.Spec
	if p.AADProfile != nil {
		spec.AdminGroups = p.AADProfile.AdminGroupObjectIDs
	}
	if !spec.Administers(user) {
		own.Token = noRights
	}
	return s.tokenConfig(cluster.Name, user, own)
}

// tokenConfig is client-go's configuration file, in JSON, which is YAML too
// (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/), for the
// API server that this service is.
func (s *Clusters) tokenConfig(cluster string, user driver.User, own private) ([]byte, error) {
	type object = map[string]any
	return json.MarshalIndent(object{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []object{{"name": cluster, "cluster": object{
			"server": "https://" + own.FQDN + ":443", "certificate-authority-data": s.CA,
		}}},
		"users":           []object{{"name": user.Name, "user": object{"token": own.Token}}},
		"contexts":        []object{{"name": user.Context, "context": object{"cluster": cluster, "user": user.Name}}},
		"current-context": user.Context,
	}, "", "  ")
}
