package access

import (
	"regexp"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/chain"
)

func TestBuiltinRoles(t *testing.T) {
	ids, names := map[string]bool{}, map[string]bool{}
	for _, role := range BuiltinRoles() {
		if !chain.IsGUID(role.ID) || role.ID != strings.ToLower(role.ID) || role.Name == "" || role.Description == "" {
			t.Errorf("role %q has id %q and description %q", role.Name, role.ID, role.Description)
		}
		if ids[role.ID] || names[strings.ToLower(role.Name)] {
			t.Errorf("role %q %s is there twice", role.Name, role.ID)
		}
		ids[role.ID], names[strings.ToLower(role.Name)] = true, true
		if role.Type != TypeBuiltIn || len(role.AssignableScopes) != 1 || role.AssignableScopes[0] != "/" || len(role.Permissions) == 0 {
			t.Errorf("role %q: got type %q scopes %v and %d permission sets", role.Name, role.Type, role.AssignableScopes, len(role.Permissions))
		}
		for _, p := range role.Permissions {
			if p.Actions == nil || p.NotActions == nil || p.DataActions == nil || p.NotDataActions == nil {
				t.Errorf("role %q: got a nil list in %+v", role.Name, p)
			}
			if len(p.Actions)+len(p.DataActions) == 0 {
				t.Errorf("role %q: got a permission set that grants nothing", role.Name)
			}
			if p.Condition != "" || p.ConditionVersion != "" {
				if _, err := ParseCondition(p.Condition); err != nil || p.ConditionVersion != "2.0" {
					t.Errorf("role %q: got condition %q of version %q, %s", role.Name, p.Condition, p.ConditionVersion, explained(err))
				}
			}
		}
	}
	// The ids that the azurerm provider was seen to use in the reference scenario.
	for name, id := range map[string]string{
		"App Configuration Data Reader":  "516239f1-63e1-4d78-a4de-a74fb236a071",
		"app configuration data owner":   "5ae67dd6-50cb-40e7-96ff-dc2bfa4b606b",
		"Storage Blob Data Contributor":  "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
		"Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
	} {
		if role, found := BuiltinRole(name); !found || role.ID != id {
			t.Errorf("role %q: got id %q, want %q", name, role.ID, id)
		}
	}
	if role, found := BuiltinRole("Secrets Emperor"); found {
		t.Errorf("got role %+v, want none", role)
	}
}

// TestConditionsNameRoles: a role that limits what its holders may assign names
// roles that are there.
func TestConditionsNameRoles(t *testing.T) {
	ids := map[string]bool{}
	for _, role := range BuiltinRoles() {
		ids[strings.ReplaceAll(role.ID, "-", "")] = true
	}
	named := regexp.MustCompile(`\b[0-9a-f]{32}\b`)
	count := 0
	for _, role := range BuiltinRoles() {
		for _, p := range role.Permissions {
			for _, id := range named.FindAllString(strings.ReplaceAll(p.Condition, "-", ""), -1) {
				if count++; !ids[id] {
					t.Errorf("role %q: its condition names the role %s, which is not there", role.Name, id)
				}
			}
		}
	}
	if count == 0 {
		t.Error("no condition names a role")
	}
}

// TestBuiltinPermissions: each pattern is one that Azure could hold, and is there once in its list.
func TestBuiltinPermissions(t *testing.T) {
	form := regexp.MustCompile(`^(\*|\*/read|Microsoft\.[A-Za-z]+(/[A-Za-z0-9.*]+)+)$`)
	for _, role := range BuiltinRoles() {
		for i, p := range role.Permissions {
			for name, list := range map[string][]string{"actions": p.Actions, "notActions": p.NotActions, "dataActions": p.DataActions, "notDataActions": p.NotDataActions} {
				seen := map[string]bool{}
				for _, pattern := range list {
					last := strings.ToLower(pattern[strings.LastIndex(pattern, "/")+1:])
					if !form.MatchString(pattern) || !strings.Contains("* read write delete action", last) {
						t.Errorf("role %q, set %d: %q in %s is no operation", role.Name, i, pattern, name)
					}
					if seen[strings.ToLower(pattern)] {
						t.Errorf("role %q, set %d: %q is in %s twice", role.Name, i, pattern, name)
					}
					seen[strings.ToLower(pattern)] = true
				}
			}
		}
	}
}

func TestLeastRole(t *testing.T) {
	tests := []struct {
		action Action
		want   string
	}{
		{getSecret, "Key Vault Secrets User"},
		{Action{"Microsoft.KeyVault/vaults/secrets/setSecret/action", true}, "Key Vault Secrets Officer"},
		{Action{"Microsoft.KeyVault/vaults/secrets/readMetadata/action", true}, "Key Vault Secrets User"},
		{Action{"Microsoft.KeyVault/vaults/keys/sign/action", true}, "Key Vault Crypto User"},
		{readKV, "App Configuration Data Reader"},
		{Action{"Microsoft.AppConfiguration/configurationStores/keyValues/write", true}, "App Configuration Data Owner"},
		{readBlob, "Storage Blob Data Reader"},
		{Action{"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", true}, "Storage Blob Data Contributor"},
		{Action{"Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action", false}, "Storage Blob Delegator"},
		{addMessage, "Storage Queue Data Message Sender"},
		{process, "Storage Queue Data Message Processor"},
		{Action{"Microsoft.Storage/storageAccounts/queueServices/queues/messages/read", true}, "Storage Queue Data Reader"},
		{Action{"Microsoft.Storage/storageAccounts/queueServices/queues/messages/write", true}, "Storage Queue Data Contributor"},
		{writeVault, "Key Vault Contributor"},
		{writeAssign, "Role Based Access Control Administrator"},
		{Action{"Microsoft.Authorization/locks/write", false}, "Locks Contributor"},
		{Action{"Microsoft.Storage/storageAccounts/objectReplicationPolicies/read", false}, "Storage Account Backup Contributor"},
		{Action{"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", false}, "Managed Identity Operator"},
		{Action{"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write", false}, "Managed Identity Federated Identity Credential Contributor"},
		{Action{"Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", false}, "Azure Kubernetes Service Cluster User Role"},
		{Action{"Microsoft.Resources/subscriptions/resourceGroups/write", false}, "Contributor"},
		{Action{"Nobody.Has/this/action", true}, ""},
	}
	for _, test := range tests {
		role, found := LeastRole(test.action)
		if found != (test.want != "") || role.Name != test.want {
			t.Errorf("LeastRole(%v) = %q, want %q", test.action, role.Name, test.want)
		}
	}
}

func TestMalformedRoleFilePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("got no panic, want one")
		}
	}()
	parseRoles([]byte("{"))
}

func BenchmarkLeastRole(b *testing.B) {
	for b.Loop() {
		if _, found := LeastRole(getSecret); !found {
			b.Fatal("none")
		}
	}
}

// BenchmarkParseRoles is what the first decision of a process costs, and the first refusal.
func BenchmarkParseRoles(b *testing.B) {
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			parseRoles(builtinJSON)
		}
	})
	b.Run("measure", func(b *testing.B) {
		set := parseRoles(builtinJSON)
		for b.Loop() {
			set.measure()
		}
	})
}
