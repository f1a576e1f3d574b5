package containerservice

import (
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/chain"
)

// filling sets what AKS computes of a cluster and leaves what was sent. What AKS
// shows only when it was asked for, such as upgradeSettings and imageCleaner, is
// not made up: clients take a value that they did not send for a change.
type filling struct {
	merged    map[string]any
	change    arm.Change
	sent      properties
	own       private
	issuerURL string
}

func (f filling) fill() error {
	merged := f.merged
	before := map[string]any{}
	if f.change.Old != nil {
		var err error
		if before, err = raw(f.change.Old); err != nil {
			return err
		}
	}
	setDefault(merged, "kubernetesVersion", defaultVersion)
	merged["currentKubernetesVersion"] = merged["kubernetesVersion"]
	setDefault(merged, "nodeResourceGroup", before["nodeResourceGroup"])
	setDefault(merged, "nodeResourceGroup", f.nodeGroup())
	merged["fqdn"] = f.own.FQDN
	merged["azurePortalFQDN"] = strings.Replace(f.own.FQDN, ".hcp.", ".portal.hcp.", 1)
	delete(merged, "privateFQDN")
	if f.sent.APIServerAccessProfile.EnablePrivateCluster {
		merged["privateFQDN"] = strings.Replace(f.own.FQDN, ".hcp.", "."+f.own.IssuerID+".privatelink.", 1)
	}
	merged["powerState"] = map[string]any{"code": running}
	if state, ok := before["powerState"]; ok {
		merged["powerState"] = state
	}
	setDefault(merged, "enableRBAC", true)
	setDefault(merged, "supportPlan", "KubernetesOfficial")
	setDefault(merged, "servicePrincipalProfile", map[string]any{"clientId": "msi"}) // what AKS says of clusters with an identity
	setDefault(merged, "maxAgentPools", 100)
	f.issuer()
	f.network(before)
	f.pools()
	return nil
}

// nodeGroup is the name of the group for the nodes' resources, which AKS makes.
func (f filling) nodeGroup() string {
	id, _ := chain.ParseID(f.change.New.ID) // parsed before it came here
	name := "MC_" + id.ResourceGroup + "_" + f.change.New.Name + "_" + f.change.New.Location
	return name[:min(len(name), 80)]
}

func (f filling) issuer() {
	if f.sent.OIDCIssuerProfile.Enabled {
		f.merged["oidcIssuerProfile"] = map[string]any{"enabled": true, "issuerURL": f.issuerURL}
	} else if f.merged["oidcIssuerProfile"] != nil {
		f.merged["oidcIssuerProfile"] = map[string]any{"enabled": false}
	}
	// A client follows this pointer once the object is there.
	if security := object(f.merged, "securityProfile"); object(security, "workloadIdentity") != nil {
		setDefault(object(security, "workloadIdentity"), "enabled", false)
	}
	if entra := object(f.merged, "aadProfile"); entra != nil {
		setDefault(entra, "tenantID", f.change.Request.Caller.TenantID)
	}
}

func (f filling) network(before map[string]any) {
	network := object(f.merged, "networkProfile")
	if network == nil {
		network = map[string]any{}
		f.merged["networkProfile"] = network
	}
	old := object(before, "networkProfile")
	for _, name := range []string{"networkPlugin", "serviceCidr", "dnsServiceIP", "podCidr", "loadBalancerSku", "outboundType"} {
		setDefault(network, name, old[name])
	}
	setDefault(network, "networkPlugin", "azure")
	setDefault(network, "loadBalancerSku", "standard")
	setDefault(network, "outboundType", "loadBalancer")
	setDefault(network, "serviceCidr", "10.0.0.0/16")
	if network["serviceCidr"] == "10.0.0.0/16" {
		setDefault(network, "dnsServiceIP", "10.0.0.10")
	}
	setDefault(network, "ipFamilies", []string{"IPv4"})
	setDefault(network, "serviceCidrs", []any{network["serviceCidr"]})
	if network["networkPlugin"] == "kubenet" || network["networkPluginMode"] == "overlay" {
		setDefault(network, "podCidr", "10.244.0.0/16")
		setDefault(network, "podCidrs", []any{network["podCidr"]})
	}
}

// pools fills the profiles, each from the one of its name before.
func (f filling) pools() {
	profiles, _ := f.merged["agentPoolProfiles"].([]any)
	for _, entry := range profiles {
		if profile, ok := entry.(map[string]any); ok {
			fillPool(profile, f.merged)
		}
	}
}

// fillPool sets what AKS computes of an agent pool of a cluster.
func fillPool(profile, cluster map[string]any) {
	network := object(cluster, "networkProfile")
	pods := 30
	switch {
	case network["networkPluginMode"] == "overlay":
		pods = 250
	case network["networkPlugin"] == "kubenet":
		pods = 110
	}
	windows := strings.EqualFold(text(profile, "osType"), "Windows")
	for name, value := range map[string]any{
		"mode": "System", "osType": "Linux", "osSKU": "Ubuntu", "type": "VirtualMachineScaleSets", "vmSize": "Standard_D2s_v5",
		"osDiskSizeGB": 128, "osDiskType": "Managed", "kubeletDiskType": "OS", "maxPods": pods, "scaleDownMode": "Delete",
		"orchestratorVersion": cluster["kubernetesVersion"],
	} {
		if name == "osSKU" && windows {
			value = "Windows2022"
		}
		setDefault(profile, name, value)
	}
	if profile["osDiskSizeGB"] == 0.0 {
		profile["osDiskSizeGB"] = 128
	}
	if on, _ := profile["enableAutoScaling"].(bool); !on {
		delete(profile, "minCount")
		delete(profile, "maxCount")
	}
	profile["currentOrchestratorVersion"] = profile["orchestratorVersion"]
	profile["provisioningState"] = "Succeeded"
	setDefault(profile, "powerState", map[string]any{"code": running})
}

// setDefault sets a member that is not there, or says nothing.
func setDefault(m map[string]any, name string, value any) {
	if list, ok := m[name].([]any); value != nil && (m[name] == nil || m[name] == "" || ok && len(list) == 0) {
		m[name] = value
	}
}

// object is a member that is an object, nil when it is none.
func object(m map[string]any, name string) map[string]any {
	found, _ := m[name].(map[string]any)
	return found
}

// text is a member that is a string, "" when it is none.
func text(m map[string]any, name string) string {
	found, _ := m[name].(string)
	return found
}
