package terraform_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// The scenario's sizes.
const (
	scenarioResources = 22 // with sample data
	sampleData        = "-var=create_sample_data=true"
)

// privateVault is the one thing that makes Terraform quick: a vault without
// public access is not polled for two minutes after its creation. The deployer
// cannot write secrets then, so there is no sample data.
const privateVault = `resource "azurerm_key_vault" "instancekeyvault" {
  public_network_access_enabled = false
}
`

// TestScenario is the life of the reference scenario under Terraform, in the
// order in which people live it.
func TestScenario(t *testing.T) {
	a := startAzure(t, controlPlane(t)...)
	w := scenario(t, a)
	step := func(name string, run func(t *testing.T)) {
		t.Helper()
		if !t.Run(name, func(t *testing.T) { w.t, a.t = t, t; run(t) }) {
			t.FailNow() // the steps build on each other
		}
		w.t, a.t = t, t
	}
	step("apply", func(*testing.T) { w.apply(counts{added: scenarioResources}, sampleData) })
	step("plan_is_empty", func(*testing.T) { w.planIsEmpty(sampleData) })
	step("plan_is_empty_after_a_restart", func(*testing.T) { a.t = t; a.restart(); w.planIsEmpty(sampleData) })
	step("outputs", func(t *testing.T) { testOutputs(t, w) })
	step("workload", func(t *testing.T) { testWorkload(t, w) })
	step("refused_without_its_role", func(t *testing.T) { testRefusedWithoutRole(t, w) })
	step("changes", func(t *testing.T) { testChanges(t, w) })
	step("imports", func(t *testing.T) { testImports(t, w) })
	step("destroy", func(t *testing.T) { testDestroy(t, w) })
}

// TestSecondLife destroys without purging: what comes back is recovered, as in
// Azure. Then it destroys for good, and everything can be made once more.
func TestSecondLife(t *testing.T) {
	t.Parallel()
	a := startAzure(t)
	w := scenario(t, a)
	w.write("private_override.tf", privateVault)
	w.write("keep_override.tf", `provider "azurerm" {
  features {
    key_vault {
      purge_soft_delete_on_destroy    = false
      recover_soft_deleted_key_vaults = true
    }
    app_configuration {
      purge_soft_delete_on_destroy = false
      recover_soft_deleted         = true
    }
  }
  resource_provider_registrations = "none"
}
`)
	w.apply(counts{added: 19})
	w.destroy(19)
	vaults := a.list(a.subscription()+"/providers/Microsoft.KeyVault/deletedVaults", "2023-07-01")
	stores := a.list(a.subscription()+"/providers/Microsoft.AppConfiguration/deletedConfigurationStores", "2024-05-01")
	if len(vaults) != 1 || len(stores) != 1 {
		t.Errorf("after destroy: got %d deleted vaults and %d deleted stores, want one of each", len(vaults), len(stores))
	}
	w.apply(counts{added: 19})
	w.planIsEmpty()
	w.remove("keep_override.tf")
	w.destroy(19)
	testNothingLeft(t, a)
	w.apply(counts{added: 19}) // and what was purged is made anew
	w.planIsEmpty()
}

// testOutputs holds every output against what Azure says.
func testOutputs(t *testing.T, w *workspace) {
	outputs := w.outputs()
	for name, want := range map[string]string{
		"tenant_id":           w.azure.TenantID,
		"subscription_id":     w.azure.SubscriptionID,
		"app_config_endpoint": "https://ch-widemo-dev-appconf.azconfig.io",
		"key_vault_uri":       "https://ch-widemo-dev-kv.vault.azure.net/",
		"blob_endpoint":       "https://chwidemodevst.blob.core.windows.net/",
		"queue_endpoint":      "https://chwidemodevst.queue.core.windows.net/",
	} {
		if got := outputs[name]; got != want {
			t.Errorf("output %s: got %q, want %q", name, got, want)
		}
	}
	issuer := outputs["oidc_issuer_url"]
	var discovery struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	fetch(t, w.azure, issuer+".well-known/openid-configuration", &discovery)
	if discovery.Issuer != issuer {
		t.Errorf("discovery: got issuer %q, want %q", discovery.Issuer, issuer)
	}
	var keys struct {
		Keys []json.RawMessage `json:"keys"`
	}
	fetch(t, w.azure, discovery.JWKS, &keys)
	if len(keys.Keys) == 0 {
		t.Errorf("%s: got no key", discovery.JWKS)
	}
}

func fetch(t *testing.T, a *azure, from string, into any) {
	t.Helper()
	response, err := a.http().Get(from)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: got %d: %s", from, response.StatusCode, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("GET %s: %v", from, err)
	}
}

// changes are what people change, each with what Terraform makes of it. They
// are applied one after the other, each on top of those before.
var changes = []struct {
	name, file, text string
	args             []string
	want             counts
}{
	{name: "tags", args: []string{`-var=tags={ManagedBy="terraform",Owner="ada"}`}, want: counts{changed: 9}},
	{name: "network_rule", args: []string{`-var=key_vault_ip_rules=["198.51.100.0/24","192.0.2.77"]`}, want: counts{changed: 1}},
	{name: "access_policy", file: "policy_override.tf", text: `resource "azurerm_key_vault" "instancekeyvault" {
  access_policy {
    tenant_id          = data.azurerm_client_config.current.tenant_id
    object_id          = data.azurerm_client_config.current.object_id
    key_permissions    = ["Get"]
    secret_permissions = ["Get", "List", "Set", "Delete", "Purge", "Recover", "Backup"]
  }
  access_policy {
    tenant_id          = local.tenant_id
    object_id          = azurerm_user_assigned_identity.aks.principal_id
    secret_permissions = ["Get"]
  }
}
`, want: counts{changed: 1}},
	{name: "role_assignment", file: "role_override.tf", text: `resource "azurerm_role_assignment" "storage_queue_contributor_aks" {
  role_definition_name = "Storage Queue Data Message Processor"
}
`, want: counts{added: 1, destroyed: 1}},
	{name: "node_pool", file: "pool_override.tf", text: `resource "azurerm_kubernetes_cluster" "aks_cluster" {
  default_node_pool {
    name                 = "chlinux"
    orchestrator_version = local.kubernetes_version
    node_count           = 1
    auto_scaling_enabled = true
    min_count            = 2
    max_count            = 5
    vm_size              = "Standard_DS4_v2"
    os_sku               = "Ubuntu"
    vnet_subnet_id       = azurerm_subnet.aks.id
    max_pods             = 30
    type                 = "VirtualMachineScaleSets"
    scale_down_mode      = "Delete"
    zones                = ["1", "2", "3"]
    node_labels          = { tier = "api" }
  }
}
`, want: counts{changed: 1}},
}

// testChanges applies each change and plans again.
func testChanges(t *testing.T, w *workspace) {
	args := []string{sampleData}
	for _, change := range changes {
		t.Run(change.name, func(t *testing.T) {
			w.t = t
			args = append(args, change.args...)
			if change.file != "" {
				w.write(change.file, change.text)
			}
			w.apply(change.want, args...)
			w.planIsEmpty(args...)
		})
	}
	w.t = t
}

// testImports brings every resource into an empty state. The cluster's change
// is the provider's own: it does not read storage_profile and image_cleaner back.
func testImports(t *testing.T, w *workspace) {
	args := []string{sampleData}
	for _, change := range changes {
		args = append(args, change.args...)
	}
	fresh := scenario(t, w.azure)
	for _, change := range changes {
		if change.file != "" {
			fresh.write(change.file, change.text)
		}
	}
	var imports strings.Builder
	resources := w.resources()
	for _, r := range resources {
		fmt.Fprintf(&imports, "import {\n  to = %s\n  id = %q\n}\n", r.Address, r.Values["id"])
	}
	fresh.write("imports.tf", imports.String())
	printed := fresh.apply(counts{imported: len(resources), changed: 1}, args...)
	if !strings.Contains(printed, "azurerm_kubernetes_cluster.aks_cluster: Modifying...") {
		t.Errorf("what an import changes: got another resource than the cluster\n%s", printed)
	}
	fresh.remove("imports.tf")
	fresh.planIsEmpty(args...)
	if len(resources) != scenarioResources {
		t.Errorf("imported: got %d, want %d", len(resources), scenarioResources)
	}
}

// testDestroy destroys everything; the provider purges what Azure would keep.
func testDestroy(t *testing.T, w *workspace) {
	w.destroy(scenarioResources, sampleData)
	testNothingLeft(t, w.azure)
}

// testNothingLeft finds no resource and nothing deleted that has a name to give
// back, the log analytics workspace excepted: the provider does not purge it.
func testNothingLeft(t *testing.T, a *azure) {
	t.Helper()
	if left := a.list(a.subscription()+"/resources", "2021-04-01"); len(left) > 0 {
		t.Errorf("resources left: %v", left)
	}
	if left := a.list(a.subscription()+"/resourceGroups", "2021-04-01"); len(left) > 0 {
		t.Errorf("resource groups left: %v", left)
	}
	assignments := a.list(a.subscription()+"/providers/Microsoft.Authorization/roleAssignments", "2022-04-01")
	below := slices.DeleteFunc(assignments, func(e entry) bool { return !strings.Contains(e.ID, "/resourceGroups/") })
	if len(below) > 0 {
		t.Errorf("role assignments left: %v", below)
	}
	for path, version := range map[string]string{
		"Microsoft.KeyVault/deletedVaults":                      "2023-07-01",
		"Microsoft.AppConfiguration/deletedConfigurationStores": "2024-05-01",
	} {
		if left := a.list(a.subscription()+"/providers/"+path, version); len(left) > 0 {
			t.Errorf("%s left: %v", path, left)
		}
	}
}
