package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/test/e2e"
)

const (
	apiStores  = "2024-05-01"
	apiStorage = "2025-08-01"
	apiRoles   = "2022-04-01"

	storeName   = "widemo-e2e"
	storeURL    = "https://" + storeName + ".azconfig.io"
	accountName = "widemoe2e"

	// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
	roleConfigReader = "516239f1-63e1-4d78-a4de-a74fb236a071" // App Configuration Data Reader
	roleConfigOwner  = "5ae67dd6-50cb-40e7-96ff-dc2bfa4b606b" // App Configuration Data Owner
	roleBlob         = "ba92f5b4-2d11-453d-a403-e96b0029c9fe" // Storage Blob Data Contributor
	roleQueue        = "974c5e8b-45b9-4653-ba55-5f855dd0fb88" // Storage Queue Data Contributor
)

// testSample shows that the scenario's application, made of Azure's SDKs alone,
// reads setting, secret, blob and message on this machine as it would in its
// pod: with the service account's token and the settings of its ConfigMap.
func (x execution) testSample(t *testing.T, cluster *e2e.Cluster, a *azure, d deployment) {
	a.deployData(t, d)
	config, err := cluster.Client.CoreV1().ConfigMaps(scenarioNamespace).Get(t.Context(), "widemo-configmap", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const name = "config_dev-euw-001.json"
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(config.Data[name]), 0o600); err != nil {
		t.Fatal(err)
	}
	program := []string{filepath.Join(x.bin, "wi-api"), "-once"}
	p, temporary := x.run(t, "sa/"+scenarioAccount, program, "CH_WIDEMO_CONFIG="+file)
	if got := p.ExitCode(t, execLimit); got != 0 {
		t.Errorf("exit code: got %d, want 0\n%s", got, p.Tail())
	}
	const want = `{
"settings": {"data": {
  "Greeting": {"value": "hello", "label": "shared", "from": "App Configuration"},
  "DemoConfig": {"value": "own", "label": "dev-euw-001", "from": "App Configuration"},
  "DemoSecret": {"value": "` + canary + `", "label": "dev-euw-001", "from": "Key Vault"}}},
"blobs": {"data": {"welcome.txt": "welcome to widemo"}},
"messages": {"data": ["hello from wi-api"]}}`
	var gotData, wantData any
	if err := json.Unmarshal([]byte(want), &wantData); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(p.Output()), &gotData); err != nil || !reflect.DeepEqual(gotData, wantData) {
		t.Errorf("application: got %s, %v, want %s", p.Output(), err, want)
	}
	checkEmpty(t, temporary)
}

// deployData creates the configuration store and the storage account, lets the
// identity at their data, and puts in what the application reads.
func (a *azure) deployData(t *testing.T, d deployment) {
	t.Helper()
	config, storage := a.sign(t, deploy.AppConfig), a.sign(t, deploy.Storage)
	deployer := claim(t, config, "oid")
	store := d.group + "/providers/Microsoft.AppConfiguration/configurationStores/" + storeName
	account := d.group + "/providers/Microsoft.Storage/storageAccounts/" + accountName
	a.put(t, store, apiStores, object{"location": location, "sku": object{"name": "standard"}}, nil)
	a.put(t, account, apiStorage, object{"location": location, "kind": "StorageV2", "sku": object{"name": "Standard_LRS"}, "properties": object{}}, nil)
	a.put(t, account+"/blobServices/default/containers/widemo", apiStorage, object{"properties": object{}}, nil)
	for i, grant := range []struct{ scope, role, principal string }{
		{store, roleConfigOwner, deployer},
		{store, roleConfigReader, d.principalID},
		{account, roleBlob, deployer},
		{account, roleBlob, d.principalID},
		{account, roleQueue, d.principalID},
	} {
		id := grant.scope + fmt.Sprintf("/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-%012d", i)
		a.put(t, id, apiRoles, object{"properties": object{
			"roleDefinitionId": "/subscriptions/" + a.SubscriptionID + "/providers/Microsoft.Authorization/roleDefinitions/" + grant.role,
			"principalId":      grant.principal, "principalType": "ServicePrincipal",
		}}, nil)
	}
	const reference = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8"
	for _, setting := range []struct{ key, label, value, contentType string }{
		{"Greeting", "shared", "hello", ""},
		{"DemoConfig", "shared", "everybody's", ""},
		{"DemoConfig", "dev-euw-001", "own", ""},
		{"DemoSecret", "dev-euw-001", `{"uri":"https://` + vaultName + `.vault.azure.net/secrets/` + secretName + `"}`, reference},
	} {
		a.write(t, deploy.Call{
			URL: storeURL + "/kv/" + setting.key + "?api-version=1.0&label=" + url.QueryEscape(setting.label), Token: config,
			Body: object{"value": setting.value, "content_type": setting.contentType},
		})
	}
	a.write(t, deploy.Call{
		URL: "https://" + accountName + ".blob.core.windows.net/widemo/welcome.txt", Token: storage, Body: "welcome to widemo",
		Header: map[string]string{"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"},
	})
}
