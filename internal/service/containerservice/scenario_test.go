package containerservice_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/directory"
)

func scenario(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "scenario.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestScenarioIsReadBack: what the azurerm provider sends comes back, with what
// it needs beside it and without what it would take for a change.
func TestScenarioIsReadBack(t *testing.T) {
	w := apptest.New(t, nil)
	created := w.Put(cluster, scenario(t), 201)
	var sent, got map[string]any
	if err := errors.Join(json.Unmarshal([]byte(scenario(t)), &sent), json.Unmarshal([]byte(created.Body), &got)); err != nil {
		t.Fatal(err)
	}
	contains(t, "", sent, got)
	for member, want := range map[string]string{
		"identity.principalId":                                                                    `^[0-9a-f-]{36}$`,
		"identity.tenantId":                                                                       `^` + apptest.TenantID + `$`,
		"properties.currentKubernetesVersion":                                                     `^1\.35$`,
		"properties.networkProfile.serviceCidr":                                                   `^10\.0\.0\.0/16$`,
		"properties.networkProfile.dnsServiceIP":                                                  `^10\.0\.0\.10$`,
		"properties.oidcIssuerProfile.issuerURL":                                                  `/$`,
		"properties.identityProfile.kubeletidentity.objectId":                                     `^[0-9a-f-]{36}$`,
		"properties.identityProfile.kubeletidentity.resourceId":                                   `/resourceGroups/widemo-aks-dev-rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/blue-agentpool$`,
		"properties.addonProfiles.omsagent.identity.resourceId":                                   `/userAssignedIdentities/omsagent-blue$`,
		"properties.addonProfiles.ingressApplicationGateway.identity.clientId":                    `^[0-9a-f-]{36}$`,
		"properties.addonProfiles.ingressApplicationGateway.config.effectiveApplicationGatewayId": `/applicationGateways/agw$`,
		"properties.agentPoolProfiles.0.osDiskSizeGB":                                             `^128$`,
		"properties.agentPoolProfiles.0.kubeletDiskType":                                          `^OS$`,
		"properties.agentPoolProfiles.0.upgradeSettings":                                          `^$`,
		"properties.securityProfile.imageCleaner":                                                 `^$`,
		"properties.addonProfiles.azurepolicy.identity":                                           `^$`,
	} {
		if got := created.Get(member); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: got %q, want %s", member, got, want)
		}
	}
	read := w.Want(apptest.Request{URL: cluster}, 200, "")
	if read.Body != created.Body {
		t.Errorf("read: got %s, want what the PUT answered: %s", read.Body, created.Body)
	}
	// An update sends the whole model that was read, read-only members included.
	if again := w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: read.Body}, 200, ""); again.Body != read.Body {
		t.Errorf("put back: got %s, want %s", again.Body, read.Body)
	}
	if again := w.Put(cluster, scenario(t), 200); again.Body != read.Body {
		t.Errorf("sent again: got %s, want %s", again.Body, read.Body)
	}
}

// contains wants every member that was sent in what came back. An empty text or
// list stands for the service's choice, and a null for nothing.
func contains(t *testing.T, path string, sent, got any) {
	t.Helper()
	switch value := sent.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		for name, member := range value {
			contains(t, path+"."+name, member, object[name])
		}
	case []any:
		list, _ := got.([]any)
		if len(list) != len(value) && len(value) > 0 {
			t.Errorf("%s: got %v, want %v", path, got, sent)
			return
		}
		for i := range value {
			contains(t, path, value[i], list[i])
		}
	default:
		if sent != nil && sent != "" && !reflect.DeepEqual(sent, got) {
			t.Errorf("%s: got %v, want %v", path, got, sent)
		}
	}
}

// TestIdentitiesArePrincipals: roles can be assigned to what a cluster shows, as
// long as it is there.
func TestIdentitiesArePrincipals(t *testing.T) {
	w := apptest.New(t, nil)
	created := w.Put(cluster, scenario(t), 201)
	members := []string{
		"identity.principalId", "properties.identityProfile.kubeletidentity.objectId", "properties.addonProfiles.omsagent.identity.objectId",
	}
	for _, member := range members {
		if _, err := w.Directory.ByObjectID(t.Context(), created.Get(member)); err != nil {
			t.Errorf("%s: %v", member, err)
		}
	}
	off := strings.Replace(scenario(t), `"omsagent": {"enabled": true`, `"omsagent": {"enabled": false`, 1)
	if got := w.Put(cluster, off, 200); got.Get("properties.addonProfiles.omsagent.identity") != "" {
		t.Errorf("an add-on that is off: got %s", got.Body)
	}
	if _, err := w.Directory.ByObjectID(t.Context(), created.Get(members[2])); !errors.Is(err, directory.ErrPrincipalNotFound) {
		t.Errorf("the identity of an add-on that is off: got %v", err)
	}
	w.Want(apptest.Request{Method: "DELETE", URL: cluster}, 204, "")
	for _, member := range members {
		if _, err := w.Directory.ByObjectID(t.Context(), created.Get(member)); !errors.Is(err, directory.ErrPrincipalNotFound) {
			t.Errorf("%s after the delete: got %v, want that it is gone", member, err)
		}
	}
}

// TestNodeGroupIsNobodyElses: the identities in the group of a cluster's nodes
// go with the cluster, so the group cannot be one that is there, or another cluster's.
func TestNodeGroupIsNobodyElses(t *testing.T) {
	w := apptest.New(t, nil)
	victim := w.Put(cluster, body(nil), 201)
	identity := w.Put(apptest.Group+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/blue-agentpool", `{"location":"westeurope"}`, 201)
	const other = apptest.Subscription + "/resourceGroups/other"
	w.Put(other, `{"location":"westeurope"}`, 201)
	for name, group := range map[string]string{
		"of_a_group": "RG", "of_itself": "other", "of_a_cluster": strings.ToLower(victim.Get("properties.nodeResourceGroup")),
	} {
		t.Run(name, func(t *testing.T) {
			thief := apptest.Request{Method: "PUT", URL: other + "/providers/Microsoft.ContainerService/managedClusters/blue", Body: body(map[string]any{"nodeResourceGroup": group})}
			if got := w.Do(thief); got.Status != 400 || got.Code() != "InvalidParameter" {
				t.Errorf("nodeResourceGroup %s: got %d %s, want 400", group, got.Status, got.Body)
			}
			w.Want(apptest.Request{Method: "DELETE", URL: thief.URL}, 204, "")
		})
	}
	for _, id := range []string{victim.Get("properties.identityProfile.kubeletidentity.objectId"), identity.Get("properties.principalId")} {
		if _, err := w.Directory.ByObjectID(t.Context(), id); err != nil {
			t.Errorf("an identity of somebody else: %v", err)
		}
	}
}

func TestUserAssignedIdentity(t *testing.T) {
	w := apptest.New(t, nil)
	const identity = apptest.Group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai"
	with := func(kubelet string, identities ...string) map[string]any {
		more := map[string]any{}
		if kubelet != "" {
			more["identityProfile"] = map[string]any{"kubeletidentity": map[string]any{"resourceId": kubelet}}
		}
		all := map[string]any{}
		for _, id := range identities {
			all[id] = map[string]any{}
		}
		b := body(more)
		b["identity"] = map[string]any{"type": "UserAssigned", "userAssignedIdentities": all}
		return b
	}
	w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: with("", identity)}, 400, "InvalidIdentity")
	w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: with("", "/not/an/id")}, 400, "InvalidIdentity")
	w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: with("")}, 400, "InvalidParameter")
	made := w.Put(identity, `{"location":"westeurope"}`, 201)
	w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: with(identity+"2", identity)}, 400, "InvalidIdentity")
	created := w.Put(cluster, with(identity, identity), 201)
	if created.Get("properties.identityProfile.kubeletidentity.clientId") != made.Get("properties.clientId") || !strings.Contains(created.Get("identity"), made.Get("properties.principalId")) {
		t.Errorf("got %s, want the identity's ids", created.Body)
	}
	w.Assign("writer", "Contributor", apptest.Subscription+"/resourceGroups/other")
	w.Put(apptest.Subscription+"/resourceGroups/other", `{"location":"westeurope"}`, 201)
	w.Want(apptest.Request{Method: "PUT", URL: strings.Replace(cluster, "/rg/", "/other/", 1), Body: with("", identity), As: "writer"}, 403, "LinkedAuthorizationFailed")
	own := body(map[string]any{"identityProfile": map[string]any{"kubeletidentity": map[string]any{"resourceId": identity}}})
	w.Want(apptest.Request{Method: "PUT", URL: clusters + "/green", Body: own}, 400, "CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster")
	w.Want(apptest.Request{Method: "DELETE", URL: cluster}, 204, "")
	w.Want(apptest.Request{URL: identity}, 200, "")
	if _, err := w.Directory.ByObjectID(t.Context(), made.Get("properties.principalId")); err != nil {
		t.Errorf("an identity of others after the delete: %v", err)
	}
}

func TestCredentialsOfIssuerOnly(t *testing.T) {
	w := apptest.New(t, nil)
	w.Put(cluster, body(nil), 201)
	for credential, name := range map[string]string{"listClusterAdminCredential": "clusterAdmin", "listClusterUserCredential": "clusterUser"} {
		got := w.Want(apptest.Request{Method: "POST", URL: cluster + "/" + credential}, 200, "")
		if got.Get("kubeconfigs.0.name") != name || got.Get("kubeconfigs.1") != "" {
			t.Errorf("%s: got %s", credential, got.Body)
		}
		profile := cluster + "/accessProfiles/" + name
		if got := w.Want(apptest.Request{Method: "POST", URL: profile + "/listCredential"}, 200, ""); got.Get("properties.kubeConfig") == "" || got.Get("name") != name {
			t.Errorf("%s: got %s", profile, got.Body)
		}
		if got := w.Want(apptest.Request{URL: profile}, 200, ""); got.Get("properties") != "{}" {
			t.Errorf("%s: got %s, want no credential for readers", profile, got.Body)
		}
	}
	w.Want(apptest.Request{Method: "POST", URL: cluster + "/accessProfiles/root/listCredential"}, 400, "InvalidParameter")
	w.Want(apptest.Request{Method: "POST", URL: cluster + "/listClusterMonitoringUserCredential"}, 501, "NotImplemented")
	w.Want(apptest.Request{Method: "POST", URL: cluster + "/rotateClusterCertificates"}, 501, "NotImplemented")
	w.Put(cluster, body(map[string]any{"disableLocalAccounts": true}), 200)
	w.Want(apptest.Request{Method: "POST", URL: cluster + "/accessProfiles/clusterAdmin/listCredential"}, 400, "GetCredentialNotAllowed")
}

// TestUserCredentialOfEntraClusters: the one credential of the issuer-only
// driver mints tokens of every service account. Where Entra's groups decide, it
// is the administrators'.
func TestUserCredentialOfEntraClusters(t *testing.T) {
	const group = "b8a1d5f0-3c2e-4e58-9a77-0123456789ab"
	w := apptest.New(t, nil)
	w.Assign("user", "Azure Kubernetes Service Cluster User Role", apptest.Group)
	w.Assign("admin", "Azure Kubernetes Service Cluster Admin Role", apptest.Group)
	w.Assign("admin", "Azure Kubernetes Service Cluster User Role", apptest.Group)
	entra := map[string]any{"managed": true, "adminGroupObjectIDs": []string{group}}
	for _, c := range []struct {
		name, as string
		more     map[string]any
		status   int // of the API server
	}{
		{"no_entra", "user", nil, 200},
		{"stranger", "user", map[string]any{"aadProfile": entra}, 401},
		{"admin", "admin", map[string]any{"aadProfile": entra}, 200},
		{"admin_without_local_accounts", "admin", map[string]any{"aadProfile": entra, "disableLocalAccounts": true}, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := clusters + "/" + strings.ReplaceAll(c.name, "_", "-")
			w.Put(id, body(c.more), 201)
			got := w.Want(apptest.Request{Method: "POST", URL: id + "/listClusterUserCredential", As: c.as}, 200, "")
			config := read(t, got.Get("kubeconfigs.0.value"))
			if config.Users[0].User.Token == "" {
				t.Error("got a kubeconfig without any credential, which clients refuse")
			}
			w.Want(config.at("GET", "/version", nil), c.status, "")
		})
	}
	w.Put(cluster, body(map[string]any{"disableLocalAccounts": true}), 201)
	w.Want(apptest.Request{Method: "POST", URL: cluster + "/listClusterUserCredential"}, 400, "GetCredentialNotAllowed")
}

func TestPower(t *testing.T) {
	w := apptest.New(t, nil)
	w.Put(cluster, body(nil), 201)
	for _, c := range []struct{ action, want string }{{"stop", "Stopped"}, {"stop", "Stopped"}, {"start", "Running"}} {
		got := w.Want(apptest.Request{Method: "POST", URL: cluster + "/" + c.action}, 202, "")
		if got.Header.Get("Azure-AsyncOperation") == "" {
			t.Errorf("%s: got %v, want where the operation is", c.action, got.Header)
		}
		if read := w.Put(cluster, body(nil), 200); read.Get("properties.powerState.code") != c.want {
			t.Errorf("%s: got %s, want %s, also after an update", c.action, read.Body, c.want)
		}
	}
}

func TestFixedProperties(t *testing.T) {
	w := apptest.New(t, nil)
	w.Put(cluster, body(map[string]any{"networkProfile": map[string]any{"networkPlugin": "azure"}}), 201)
	for name, more := range map[string]map[string]any{
		"node_group":    {"nodeResourceGroup": "other"},
		"service_range": {"networkProfile": map[string]any{"serviceCidr": "10.9.0.0/16"}},
	} {
		t.Run(name, func(t *testing.T) {
			w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: body(more)}, 409, "PropertyChangeNotAllowed")
		})
	}
	got := w.Put(cluster, body(map[string]any{"nodeResourceGroup": "", "networkProfile": map[string]any{"networkPolicy": "calico"}}), 200)
	if got.Get("properties.nodeResourceGroup") != "MC_rg_blue_westeurope" || got.Get("properties.networkProfile.serviceCidr") != "10.0.0.0/16" || got.Get("properties.networkProfile.loadBalancerSku") != "standard" {
		t.Errorf("what was not sent: got %s", got.Body)
	}
}

// FuzzCluster: no body makes the service fail.
func FuzzCluster(f *testing.F) {
	f.Add(scenario(f))
	for _, seed := range []string{
		`{"location":"westeurope","properties":{"dnsPrefix":"a","agentPoolProfiles":[null]}}`,
		`{"location":"westeurope","properties":{"dnsPrefix":"a","addonProfiles":{"omsagent":null}}}`,
		`{"location":"westeurope","identity":{"type":"UserAssigned","userAssignedIdentities":{"":null}},"properties":{"dnsPrefix":"a"}}`,
		`{"location":"westeurope","properties":{"dnsPrefix":"a","networkProfile":[],"securityProfile":{"workloadIdentity":null}}}`,
		`{"location":"westeurope","properties":{"dnsPrefix":"a","kubernetesVersion":"999.999","agentPoolProfiles":[{"name":"a","count":1e3}]}}`,
	} {
		f.Add(seed)
	}
	w := apptest.New(f, nil)
	f.Fuzz(func(t *testing.T, text string) {
		w.T = t
		for _, r := range []apptest.Request{
			{Method: "PUT", URL: cluster, Body: text}, {URL: cluster}, {Method: "POST", URL: cluster + "/listClusterAdminCredential"},
			{Method: "PUT", URL: cluster + "/agentPools/p", Body: text}, {URL: cluster + "/agentPools"}, {URL: cluster + "/upgradeProfiles/default"},
			{Method: "DELETE", URL: cluster},
		} {
			if got := w.Do(r); got.Status >= 500 {
				t.Errorf("%s %s with %q: got %d %s", r.Method, r.URL, text, got.Status, got.Body)
			}
		}
	})
}
