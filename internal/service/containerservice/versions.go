package containerservice

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

// defaultVersion is the one of the control-plane driver's programs.
const defaultVersion = "1.36.3"

// supportedVersions are what is offered, newest first: the default and the two
// minor versions before it. Any other well-formed version is accepted as well.
func supportedVersions() []string { return []string{defaultVersion, "1.35.0", "1.34.0"} }

const clusterPattern = "/subscriptions/{subscription}/resourceGroups/{group}/providers/" + TypeCluster + "/{cluster}"

// operations are the rows beside those of the types.
func (s *Clusters) operations() []azapi.Operation {
	read := azapi.Control(TypeCluster + "/read")
	return []azapi.Operation{
		{
			Name: "ListKubernetesVersions", Method: http.MethodGet,
			Pattern: "/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}/kubernetesVersions",
			Action:  azapi.Control("Microsoft.ContainerService/locations/kubernetesVersions/read"), Handle: s.listVersions,
		},
		{
			Name: "GetClusterUpgradeProfile", Method: http.MethodGet, Pattern: clusterPattern + "/upgradeProfiles/default",
			Action: azapi.Control(TypeCluster + "/upgradeProfiles/read"), Handle: s.withCluster(2, clusterUpgrades),
		},
		{
			Name: "ListAvailableAgentPoolVersions", Method: http.MethodGet, Pattern: clusterPattern + "/availableAgentPoolVersions",
			Action: azapi.Control(TypeCluster + "/availableAgentPoolVersions/read"), Handle: s.withCluster(1, availablePoolVersions),
		},
		{
			Name: "GetAgentPoolUpgradeProfile", Method: http.MethodGet, Pattern: clusterPattern + "/agentPools/{pool}/upgradeProfiles/default",
			Action: azapi.Control(TypePool + "/upgradeProfiles/read"), Handle: s.withCluster(4, poolUpgrades),
		},
		{
			Name: "GetAccessProfile", Method: http.MethodGet, Pattern: clusterPattern + "/accessProfiles/{role}",
			Action: read, Handle: s.withCluster(2, getAccessProfile),
		},
		{
			Name: "ListAccessProfileCredential", Method: http.MethodPost, Pattern: clusterPattern + "/accessProfiles/{role}/listCredential",
			Action: azapi.Control(TypeCluster + "/accessProfiles/listCredential/action"), Handle: s.withCluster(3, s.accessProfileCredential),
		},
	}
}

// withCluster finds the cluster whose id is the path without its last segments.
func (s *Clusters) withCluster(drop int, handle func(http.ResponseWriter, *azapi.Request, *arm.Resource) error) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) error {
		id, err := arm.IDOf(r, drop)
		if err != nil {
			return err
		}
		found, err := s.Resources.Get(r.Context(), id.String())
		if errors.Is(err, arm.ErrNotFound) {
			if _, err := s.Resources.Group(r.Context(), id.Subscription, id.ResourceGroup); err != nil {
				return err
			}
			return arm.ResourceNotFound.New(TypeCluster+"/"+id.Name(), id.ResourceGroup)
		}
		if err != nil {
			return err
		}
		return handle(w, r, found)
	}
}

// listVersions is
// https://learn.microsoft.com/rest/api/aks/managed-clusters/list-kubernetes-versions.
func (s *Clusters) listVersions(w http.ResponseWriter, r *azapi.Request) error {
	if _, err := s.Resources.Subscription(r.Context(), r.Param("subscription")); err != nil {
		return err
	}
	if !arm.KnownLocation(arm.NormalLocation(r.Param("location"))) {
		return invalid("location", fmt.Sprintf("'%.64s' is no region", r.Param("location")))
	}
	type object = map[string]any
	values := []object{}
	for _, full := range supportedVersions() {
		values = append(values, object{
			"version": full[:strings.LastIndexByte(full, '.')], "isDefault": full == defaultVersion, "isPreview": nil,
			"capabilities":  object{"supportPlan": []string{"KubernetesOfficial"}},
			"patchVersions": object{full: object{"upgrades": newer(full)}},
		})
	}
	return azapi.WriteJSON(w, http.StatusOK, object{"values": values})
}

// newer are the offered versions of a higher minor version.
func newer(version string) []string {
	higher := []string{}
	for _, offered := range supportedVersions() {
		if minorOf(offered) > minorOf(version) {
			higher = append(higher, offered)
		}
	}
	return higher
}

func upgrades(version string) []map[string]any {
	list := []map[string]any{}
	for _, one := range newer(version) {
		list = append(list, map[string]any{"kubernetesVersion": one})
	}
	return list
}

func clusterUpgrades(w http.ResponseWriter, _ *azapi.Request, cluster *arm.Resource) error {
	p, err := read(cluster)
	if err != nil {
		return err
	}
	pools := []map[string]any{}
	for _, one := range p.AgentPoolProfiles {
		pools = append(pools, map[string]any{
			"name": one.Name, "osType": one.OSType, "kubernetesVersion": one.OrchestratorVersion, "upgrades": upgrades(one.OrchestratorVersion),
		})
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{
		"id": cluster.ID + "/upgradeprofiles/default", "name": "default", "type": TypeCluster + "/upgradeprofiles",
		"properties": map[string]any{
			"controlPlaneProfile": map[string]any{"kubernetesVersion": p.KubernetesVersion, "osType": "Linux", "upgrades": upgrades(p.KubernetesVersion)},
			"agentPoolProfiles":   pools,
		},
	})
}

// availablePoolVersions are the control plane's own and the offered ones that
// are not newer.
func availablePoolVersions(w http.ResponseWriter, _ *azapi.Request, cluster *arm.Resource) error {
	p, err := read(cluster)
	if err != nil {
		return err
	}
	available := []string{p.KubernetesVersion}
	for _, offered := range supportedVersions() {
		if minorOf(offered) <= minorOf(p.KubernetesVersion) && !slices.Contains(available, offered) {
			available = append(available, offered)
		}
	}
	versions := []map[string]any{}
	for _, one := range available {
		versions = append(versions, map[string]any{"kubernetesVersion": one, "default": one == p.KubernetesVersion})
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{
		"id": cluster.ID + "/availableagentpoolversions", "name": "default", "type": TypeCluster + "/availableAgentpoolVersions",
		"properties": map[string]any{"agentPoolVersions": versions},
	})
}

func poolUpgrades(w http.ResponseWriter, r *azapi.Request, cluster *arm.Resource) error {
	p, err := read(cluster)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(p.AgentPoolProfiles, func(one pool) bool { return strings.EqualFold(one.Name, r.Param("pool")) })
	if at < 0 {
		return arm.ResourceNotFound.New(TypePool+"/"+cluster.Name+"/"+r.Param("pool"), r.Param("group"))
	}
	one := p.AgentPoolProfiles[at]
	list := []map[string]any{}
	for _, offered := range supportedVersions() {
		if minorOf(offered) > minorOf(one.OrchestratorVersion) && minorOf(offered) <= minorOf(p.KubernetesVersion) {
			list = append(list, map[string]any{"kubernetesVersion": offered})
		}
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{
		"id": cluster.ID + "/agentPools/" + one.Name + "/upgradeprofiles/default", "name": "default", "type": TypePool + "/upgradeProfiles",
		"properties": map[string]any{"kubernetesVersion": one.OrchestratorVersion, "osType": one.OSType, "upgrades": list},
	})
}
