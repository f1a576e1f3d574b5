package service_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

// sent is a body that clients send and the requests that read what it wrote,
// none of what names something that is not there.
type sent struct {
	method, url, body string
	reads             []string
}

// bodies are what Terraform, az and the SDKs write, one of each kind.
func bodies() []sent {
	const (
		at        = `"location":"` + apptest.Location + `"`
		arm       = apptest.Group + "/providers/"
		tenant    = `"tenantId":"` + apptest.TenantID + `"`
		somebody  = "aaaaaaaa-0000-4000-8000-00000000000a"
		reader    = apptest.Subscription + "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
		condition = `((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})))`
		network   = arm + "Microsoft.Network/virtualNetworks/deniednetwork"
		gateway   = arm + "Microsoft.Network/applicationGateways/gw"
		graph     = "graph.microsoft.com/v1.0"
	)
	policy := `{` + tenant + `,"objectId":"` + somebody + `","permissions":{"keys":["get"],"secrets":["get","list"],"certificates":[],"storage":[]}}`
	rules := `{"bypass":"AzureServices","defaultAction":"Deny","ipRules":[{"value":"198.51.100.0/24"}],"virtualNetworkRules":[{"id":"` + network + `/subnets/deniedsubnet"}]}`
	return []sent{
		{"PUT", apptest.Subscription + "/resourceGroups/rg3", `{` + at + `,"tags":{"a":"b"}}`, []string{apptest.Subscription + "/resourceGroups"}},
		{"PATCH", apptest.Group, `{"tags":{"a":"b"}}`, []string{apptest.Group}},
		{"PUT", apptest.Group + "/providers/Microsoft.Resources/tags/default", `{"properties":{"tags":{"a":"b"}}}`, []string{apptest.Group + "/providers/Microsoft.Resources/tags/default"}},
		{"PATCH", vault + "/providers/Microsoft.Resources/tags/default", `{"operation":"Merge","properties":{"tags":{"a":"b"}}}`, []string{vault}},
		{"PUT", vault, `{` + at + `,"tags":{"a":"b"},"properties":{` + tenant + `,"sku":{"family":"A","name":"standard"},"accessPolicies":[` + policy + `],"networkAcls":` + rules + `,"enableRbacAuthorization":false,"enableSoftDelete":true,"createMode":"default","enabledForDeployment":false,"publicNetworkAccess":"Enabled"}}`, []string{vault, "deniedvault.vault.azure.net/secrets?api-version=7.4"}},
		{"PATCH", vault, `{"properties":{"networkAcls":` + rules + `,"enabledForDeployment":true}}`, []string{vault, "deniedvault.vault.azure.net/secrets?api-version=7.4"}},
		{"PUT", vault + "/accessPolicies/add", `{"properties":{"accessPolicies":[` + policy + `]}}`, []string{vault, "deniedvault.vault.azure.net/secrets?api-version=7.4"}},
		{"PUT", vault + "/accessPolicies/remove", `{"properties":{"accessPolicies":[` + policy + `]}}`, []string{vault}},
		{"POST", apptest.Subscription + "/providers/Microsoft.KeyVault/checkNameAvailability", `{"name":"n","type":"Microsoft.KeyVault/vaults"}`, nil},
		{"PUT", settings, `{` + at + `,"sku":{"name":"standard"},"identity":{"type":"None","userAssignedIdentities":null},"properties":{"encryption":{"keyVaultProperties":{}},"disableLocalAuth":false,"enablePurgeProtection":false,"publicNetworkAccess":"Enabled","dataPlaneProxy":{"authenticationMode":"Local","privateLinkDelegation":"Disabled"},"softDeleteRetentionInDays":7}}`, []string{settings, "deniedstore.azconfig.io/kv?api-version=1.0"}},
		{"PATCH", settings, `{"identity":{"type":"SystemAssigned"},"sku":{"name":"premium"},"properties":{"publicNetworkAccess":"Enabled"}}`, []string{settings, "deniedstore.azconfig.io/kv?api-version=1.0"}},
		{"POST", settings + "/regenerateKey", `{"id":"x"}`, nil},
		{"PUT", settings + "/keyValues/k$l", `{"properties":{"value":"v","contentType":"text/plain","tags":{"a":"b"}}}`, []string{settings + "/keyValues"}},
		{"POST", apptest.Subscription + "/providers/Microsoft.AppConfiguration/checkNameAvailability", `{"name":"n","type":"Microsoft.AppConfiguration/configurationStores"}`, nil},
		{"PUT", account, `{` + at + `,"kind":"StorageV2","sku":{"name":"Standard_LRS","tier":"Standard"},"identity":{"type":"None"},"properties":{"accessTier":"Hot","minimumTlsVersion":"TLS1_2","allowBlobPublicAccess":true,"supportsHttpsTrafficOnly":true,"networkAcls":` + rules + `,"encryption":{"keySource":"Microsoft.Storage","services":{"queue":{"keyType":"Service"}}},"keyPolicy":{"keyExpirationPeriodInDays":1},"sasPolicy":{"sasExpirationPeriod":"1.00:00:00","expirationAction":"Log"}}}`, []string{account, "deniedaccount.blob.core.windows.net/?comp=list"}},
		{"PATCH", account, `{"sku":{"name":"Standard_GRS"},"properties":{"networkAcls":` + rules + `,"publicNetworkAccess":"Enabled"}}`, []string{account, "deniedaccount.queue.core.windows.net/?comp=list"}},
		{"POST", account + "/regenerateKey", `{"keyName":"key1"}`, []string{account}},
		{"PUT", account + "/blobServices/default", `{"properties":{"cors":{"corsRules":[{"allowedOrigins":["*"],"allowedMethods":["GET"],"maxAgeInSeconds":1,"exposedHeaders":[],"allowedHeaders":[]}]},"deleteRetentionPolicy":{"enabled":true,"days":7},"isVersioningEnabled":true}}`, []string{account + "/blobServices/default", "deniedaccount.blob.core.windows.net/?restype=service&comp=properties"}},
		{"PUT", account + "/queueServices/default", `{"properties":{"cors":{"corsRules":[{"allowedOrigins":["*"],"allowedMethods":["GET"],"maxAgeInSeconds":1,"exposedHeaders":[],"allowedHeaders":[]}]}}}`, []string{account + "/queueServices/default", "deniedaccount.queue.core.windows.net/?restype=service&comp=properties"}},
		{"PUT", account + "/blobServices/default/containers/docs", `{"properties":{"publicAccess":"None","metadata":{"a":"b"},"defaultEncryptionScope":"$account-encryption-key","denyEncryptionScopeOverride":false}}`, []string{account + "/blobServices/default/containers", "deniedaccount.blob.core.windows.net/docs?restype=container"}},
		{"PATCH", account + "/blobServices/default/containers/deniedcontainer", `{"properties":{"metadata":{"a":"b"}}}`, []string{account + "/blobServices/default/containers/deniedcontainer"}},
		{"PUT", account + "/queueServices/default/queues/jobs", `{"properties":{"metadata":{"a":"b"}}}`, []string{account + "/queueServices/default/queues", "deniedaccount.queue.core.windows.net/jobs?comp=metadata"}},
		{"PUT", cluster, `{` + at + `,"identity":{"type":"SystemAssigned","userAssignedIdentities":null},"sku":{"name":"Base","tier":"Standard"},"properties":{"dnsPrefix":"denied","aadProfile":{"managed":true,"adminGroupObjectIDs":["` + somebody + `"]},"oidcIssuerProfile":{"enabled":true},"securityProfile":{"workloadIdentity":{"enabled":true}},"networkProfile":{"networkPlugin":"azure","serviceCidr":"10.0.0.0/16","podCidrs":[]},"autoScalerProfile":{"scan-interval":"10s"},"addonProfiles":{"omsagent":{"enabled":true,"config":{"a":"b"}}},"agentPoolProfiles":[{"name":"system","mode":"System","count":1,"vmSize":"Standard_DS2_v2","availabilityZones":["1"],"nodeLabels":{"a":"b"},"upgradeSettings":{"maxSurge":"10%"}}]}}`, []string{cluster, cluster + "/agentPools"}},
		{"PUT", cluster + "/agentPools/work", `{"properties":{"mode":"System","count":1,"vmSize":"Standard_DS2_v2","minCount":1,"maxCount":3,"enableAutoScaling":true,"nodeTaints":["a=b:NoSchedule"]}}`, []string{cluster, cluster + "/agentPools"}},
		{"PUT", cluster + "/maintenanceConfigurations/default", `{"properties":{"timeInWeek":[{"day":"Monday","hourSlots":[1]}],"notAllowedTime":[]}}`, []string{cluster + "/maintenanceConfigurations"}},
		{"PUT", identity, `{` + at + `,"tags":{"a":"b"},"properties":{"isolationScope":"None"}}`, []string{identity}},
		{"PUT", identity + "/federatedIdentityCredentials/fic", `{"properties":{"issuer":"https://issuer.example/","subject":"s","audiences":["api://AzureADTokenExchange"]}}`, []string{identity + "/federatedIdentityCredentials"}},
		{"PUT", network, `{` + at + `,"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"dhcpOptions":{"dnsServers":["10.0.0.4"]},"subnets":[{"name":"deniedsubnet","properties":{"addressPrefix":"10.0.0.0/24","serviceEndpoints":[{"service":"Microsoft.KeyVault","locations":["*"]}],"delegations":[{"name":"d","properties":{"serviceName":"Microsoft.Web/serverFarms"}}]}}]}}`, []string{network, network + "/subnets"}},
		{"PUT", network + "/subnets/more", `{"properties":{"addressPrefixes":["10.0.1.0/24"],"privateEndpointNetworkPolicies":"Disabled","sharingScope":""}}`, []string{network, network + "/subnets/more"}},
		{"PUT", arm + "Microsoft.Network/publicIPAddresses/deniedaddress", `{` + at + `,"sku":{"name":"Standard","tier":"Regional"},"zones":["1"],"properties":{"publicIPAllocationMethod":"Static","publicIPAddressVersion":"IPv4","idleTimeoutInMinutes":4,"dnsSettings":{"domainNameLabel":"denied"}}}`, []string{arm + "Microsoft.Network/publicIPAddresses"}},
		{"PUT", gateway, `{` + at + `,"zones":["1"],"properties":{"sku":{"name":"Standard_v2","tier":"Standard_v2","capacity":1},"gatewayIPConfigurations":[{"name":"c","properties":{"subnet":{"id":"` + network + `/subnets/deniedsubnet"}}}],"frontendIPConfigurations":[{"name":"f","properties":{"publicIPAddress":{"id":"` + arm + `Microsoft.Network/publicIPAddresses/deniedaddress"}}}],"frontendPorts":[{"name":"p","properties":{"port":80}}],"backendAddressPools":[{"name":"b","properties":{"backendAddresses":[]}}],"backendHttpSettingsCollection":[{"name":"s","properties":{"port":80,"protocol":"Http","requestTimeout":60}}],"httpListeners":[{"name":"l","properties":{"frontendIPConfiguration":{"id":"` + gateway + `/frontendIPConfigurations/f"},"frontendPort":{"id":"` + gateway + `/frontendPorts/p"},"protocol":"Http"}}],"requestRoutingRules":[{"name":"r","properties":{"ruleType":"Basic","priority":1,"httpListener":{"id":"` + gateway + `/httpListeners/l"},"backendAddressPool":{"id":"` + gateway + `/backendAddressPools/b"},"backendHttpSettings":{"id":"` + gateway + `/backendHttpSettingsCollection/s"}}}]}}`, []string{arm + "Microsoft.Network/applicationGateways"}},
		{"PUT", arm + "Microsoft.OperationalInsights/workspaces/deniedworkspace", `{` + at + `,"properties":{"sku":{"name":"PerGB2018"},"retentionInDays":30,"features":{"disableLocalAuth":false,"enableLogAccessUsingOnlyResourcePermissions":true},"workspaceCapping":{"dailyQuotaGb":-1}}}`, []string{arm + "Microsoft.OperationalInsights/workspaces"}},
		{"PUT", apptest.Group + "/providers/Microsoft.Authorization/roleAssignments/" + somebody, `{"properties":{"roleDefinitionId":"` + reader + `","principalId":"` + somebody + `","principalType":"ServicePrincipal","description":"d","condition":"` + condition + `","conditionVersion":"2.0"}}`, []string{apptest.Group + "/providers/Microsoft.Authorization/roleAssignments"}},
		{"PUT", apptest.Group + "/providers/Microsoft.Authorization/roleDefinitions/" + custom, `{"properties":{"roleName":"denied role","description":"d","type":"CustomRole","assignableScopes":["` + apptest.Group + `"],"permissions":[{"actions":["*/read"],"notActions":[],"dataActions":[],"notDataActions":[]}]}}`, []string{apptest.Group + "/providers/Microsoft.Authorization/roleDefinitions"}},
		{"PUT", cluster + "/providers/Microsoft.Authorization/locks/l", `{"properties":{"level":"CanNotDelete","notes":"n","owners":[{"applicationId":"` + somebody + `"}]}}`, []string{cluster + "/providers/Microsoft.Authorization/locks"}},
		{"PUT", "deniedvault.vault.azure.net/secrets/s?api-version=7.4", `{"value":"v","contentType":"t","tags":{"a":"b"},"attributes":{"enabled":true,"nbf":1,"exp":4000000000}}`, []string{"deniedvault.vault.azure.net/secrets?api-version=7.4"}},
		{"PATCH", "deniedvault.vault.azure.net/secrets/s?api-version=7.4", `{"contentType":"t","tags":{"a":"b"},"attributes":{"enabled":true}}`, []string{"deniedvault.vault.azure.net/secrets?api-version=7.4"}},
		{"POST", "deniedvault.vault.azure.net/secrets/restore?api-version=7.4", `{"value":"AAAA"}`, nil},
		{"PUT", "deniedvault.vault.azure.net/certificates/contacts?api-version=7.4", `{"contacts":[{"email":"a@example.com","name":"n","phone":"1"}]}`, []string{"deniedvault.vault.azure.net/certificates/contacts?api-version=7.4"}},
		{"PUT", "deniedstore.azconfig.io/kv/k?api-version=1.0", `{"value":"v","content_type":"t","tags":{"a":"b"}}`, []string{"deniedstore.azconfig.io/kv?api-version=1.0"}},
		{"PUT", "deniedstore.azconfig.io/snapshots/s1?api-version=2023-11-01", `{"filters":[{"key":"k","label":"l","tags":["a=b"]}],"composition_type":"key","retention_period":3600,"tags":{"a":"b"}}`, []string{"deniedstore.azconfig.io/snapshots?api-version=2023-11-01"}},
		{"POST", graph + "/applications", `{"displayName":"a","signInAudience":"AzureADMyOrg","identifierUris":["api://a"],"web":{"redirectUris":["https://a.example/"]},"appRoles":[],"requiredResourceAccess":[{"resourceAppId":"` + somebody + `","resourceAccess":[{"id":"` + somebody + `","type":"Scope"}]}]}`, []string{graph + "/applications"}},
		{"POST", graph + "/groups", `{"displayName":"g","mailNickname":"g","mailEnabled":false,"securityEnabled":true,"groupTypes":[],"members@odata.bind":["https://graph.microsoft.com/v1.0/directoryObjects/` + apptest.ObjectID(apptest.Owner) + `"]}`, []string{graph + "/groups"}},
		{"POST", graph + "/users", `{"accountEnabled":true,"displayName":"u","mailNickname":"u","userPrincipalName":"u@test.onmicrosoft.com","passwordProfile":{"password":"correct-Horse-9","forceChangePasswordNextSignIn":false}}`, []string{graph + "/users"}},
		{"PATCH", graph + "/applications(appId='" + apptest.AppID(apptest.Owner) + "')", `{"displayName":"owner","keyCredentials":[{"type":"AsymmetricX509Cert","usage":"Verify","key":"AAAA","startDateTime":"2026-01-01T00:00:00Z"}],"notes":"n"}`, nil},
		{"POST", graph + "/applications(appId='" + apptest.AppID(apptest.Owner) + "')/addPassword", `{"passwordCredential":{"displayName":"p","endDateTime":"2027-01-01T00:00:00Z"}}`, nil},
		{"POST", graph + "/applications(appId='" + apptest.AppID(apptest.Owner) + "')/federatedIdentityCredentials", `{"name":"from-cluster","issuer":"https://issuer.example/","subject":"s","audiences":["a"],"description":"d"}`, nil},
		{"POST", graph + "/servicePrincipals", `{"appId":"` + somebody + `","tags":["a"],"accountEnabled":true}`, nil},
		{"POST", graph + "/directoryObjects/getByIds", `{"ids":["` + somebody + `"],"types":["user"]}`, nil},
	}
}

// hostileValues stand where a client has another one.
var hostileValues = []string{
	`null`, `"\u0000\ud800/../%00<>&'\""`, `-1`, `1e999`, `true`, `[]`, `{}`, `[null]`, `{"a":[1]}`, `"` + strings.Repeat("long ", 2000) + `"`,
}

// variants are the body with each of its values, at any depth, left out and
// replaced by each of the hostile ones.
func variants(t testing.TB, body string) []string {
	t.Helper()
	var root any
	if err := json.Unmarshal([]byte(body), &root); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	var all []string
	var walk func(value any, around func(string) string)
	walk = func(value any, around func(string) string) {
		for _, hostile := range hostileValues {
			all = append(all, around(hostile))
		}
		switch value := value.(type) {
		case map[string]any:
			for name, member := range value {
				rest := ""
				for other, kept := range value {
					if other != name {
						rest += fmt.Sprintf(",%q:%s", other, encode(t, kept))
					}
				}
				all = append(all, around("{"+strings.TrimPrefix(rest, ",")+"}"))
				walk(member, func(in string) string { return around(fmt.Sprintf("{%q:%s%s}", name, in, rest)) })
			}
		case []any:
			for _, element := range value {
				walk(element, func(in string) string { return around("[" + in + "]") })
			}
		}
	}
	walk(root, func(in string) string { return in })
	slices.Sort(all)
	return all
}

func encode(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// bodyWorld is a world whose owner may write whatever bodies write.
func bodyWorld(t testing.TB) *apptest.World {
	w := denied(t)
	w.Put(vault, `{"location":"`+apptest.Location+`","properties":{"tenantId":"`+apptest.TenantID+`","sku":{"family":"A","name":"standard"},"accessPolicies":[{"tenantId":"`+apptest.TenantID+
		`","objectId":"`+apptest.ObjectID(apptest.Owner)+`","permissions":{"secrets":["all"],"certificates":["all"]}}]}}`, http.StatusOK)
	w.Want(apptest.Request{Method: "PUT", URL: "deniedvault.vault.azure.net/secrets/s?api-version=7.4", Body: `{"value":"v"}`}, http.StatusOK, "")
	for role, scope := range map[string]string{
		"App Configuration Data Owner": settings, "Storage Blob Data Owner": account, "Storage Queue Data Contributor": account,
	} {
		w.Assign(apptest.Owner, role, scope)
	}
	return w
}

// taken sends a body: it is written or refused, and what was written can be
// read. Nothing of the inside is shown.
func (s sent) taken(t testing.TB, w *apptest.World, body string) {
	t.Helper()
	requests := []apptest.Request{{Method: s.method, URL: s.url, Body: body}}
	for _, url := range s.reads {
		requests = append(requests, apptest.Request{URL: url, Header: map[string]string{"x-ms-version": "2025-01-05"}})
	}
	for _, r := range requests {
		got := w.Do(r)
		if got.Status >= 500 && got.Status != http.StatusNotImplemented || got.Status >= 400 && inside.MatchString(got.Body) {
			t.Errorf("%s %s after %s with %.300s: got %d %.500s", cmp.Or(r.Method, "GET"), r.URL, s.method, body, got.Status, got.Body)
		}
		if got.Status >= 400 {
			return // nothing was written
		}
	}
}

// TestHostileBodies: what clients send is taken, and with any value in it
// replaced it is refused or written, never a failure, not even later.
func TestHostileBodies(t *testing.T) {
	for _, s := range bodies() {
		t.Run(s.method+"_"+s.url[strings.LastIndex(s.url, "/")+1:], func(t *testing.T) {
			t.Parallel()
			w := bodyWorld(t)
			if got := w.Do(apptest.Request{Method: s.method, URL: s.url, Body: s.body}); got.Status >= 300 && s.reads != nil {
				t.Errorf("%s %s: got %d %s, want it taken", s.method, s.url, got.Status, got.Body)
			}
			for _, body := range variants(t, s.body) {
				s.taken(t, w, body)
			}
		})
	}
}
