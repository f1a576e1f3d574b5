package access

import (
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/chain"
)

const (
	subscription = "/subscriptions/11111111-1111-1111-1111-111111111111"
	groupApp     = subscription + "/resourceGroups/rg-app"
	groupApp2    = subscription + "/resourceGroups/rg-app2"
	vault        = groupApp + "/providers/Microsoft.KeyVault/vaults/kv"
	secret       = vault + "/secrets/db"
	account      = groupApp + "/providers/Microsoft.Storage/storageAccounts/sa"
	queue        = account + "/queueServices/default/queues/orders"

	objectID = "44444444-4444-4444-4444-444444444444"
	clientID = "55555555-5555-5555-5555-555555555555"
	groupID  = "66666666-6666-6666-6666-666666666666"
)

var (
	getSecret   = Action{Name: "Microsoft.KeyVault/vaults/secrets/getSecret/action", Data: true}
	readBlob    = Action{Name: "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", Data: true}
	addMessage  = Action{Name: "Microsoft.Storage/storageAccounts/queueServices/queues/messages/add/action", Data: true}
	process     = Action{Name: "Microsoft.Storage/storageAccounts/queueServices/queues/messages/process/action", Data: true}
	readKV      = Action{Name: "Microsoft.AppConfiguration/configurationStores/keyValues/read", Data: true}
	writeVault  = Action{Name: "Microsoft.KeyVault/vaults/write"}
	writeAssign = Action{Name: "Microsoft.Authorization/roleAssignments/write"}
)

func workload() Principal {
	return Principal{TenantID: "22222222-2222-2222-2222-222222222222", ObjectID: objectID, AppID: clientID, Groups: []string{groupID}}
}

func grant(t *testing.T, role, scope, principal string) Grant {
	t.Helper()
	def, found := BuiltinRole(role)
	if !found {
		t.Fatalf("no built-in role %q", role)
	}
	return Grant{Role: def, Assignment: Assignment{Name: "99999999-9999-9999-9999-999999999999", Scope: scope, RoleID: def.ID, PrincipalID: principal}}
}

func TestDecideRole(t *testing.T) {
	conditional := grant(t, "Key Vault Secrets User", vault, objectID)
	conditional.Assignment.Condition = "@Resource[x] StringEquals 'y'"
	tests := []struct {
		name    string
		action  Action
		scope   string
		grants  []Grant
		reason  Reason // "" means allowed
		by      string // contained in By
		nearest string // contained in Nearest
		fix     string // contained in Fix
	}{
		{name: "nothing", action: getSecret, scope: secret, reason: ReasonNoAssignment, fix: `--role "Key Vault Secrets User" --assignee-object-id ` + objectID + " --assignee-principal-type ServicePrincipal --scope " + vault},
		{name: "at_the_resource", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", vault, objectID)},
			by: `role "Key Vault Secrets User" at ` + vault + " (assignment 99999999-9999-9999-9999-999999999999)"},
		{name: "at_the_subscription", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", subscription, objectID)}, by: subscription},
		{name: "at_the_root", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", "/", objectID)}, by: "at /"},
		{name: "in_another_case", action: getSecret, scope: strings.ToLower(secret), grants: []Grant{grant(t, "Key Vault Secrets User", strings.ToUpper(vault), strings.ToUpper(objectID))}, by: "Secrets User"},
		{name: "through_a_group", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", vault, groupID)}, by: "Secrets User"},
		{name: "second_grant", action: getSecret, scope: secret, grants: []Grant{grant(t, "Reader", vault, objectID), grant(t, "Key Vault Secrets User", vault, objectID), grant(t, "Owner", vault, objectID)}, by: "Secrets User"},
		{name: "condition", action: getSecret, scope: secret, grants: []Grant{conditional}, reason: ReasonCondition, nearest: "under a condition only: @Resource[x] StringEquals 'y' does not hold: the request has no @Resource[x]", fix: "or assign a role without one: az role"},
		{name: "condition_of_the_role", action: writeAssign, scope: vault, grants: []Grant{grant(t, "Key Vault Data Access Administrator", vault, objectID)}, reason: ReasonCondition, nearest: "under a condition only: @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId]"},
		{name: "client_id", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", vault, clientID)}, reason: ReasonClientID,
			nearest: "is assigned to the client id " + clientID + " instead of the principal id " + objectID, fix: objectID},
		{name: "client_id_and_wrong_role", action: getSecret, scope: secret, grants: []Grant{grant(t, "Reader", vault, clientID)}, reason: ReasonNoAssignment, nearest: "and would not grant"},
		{name: "client_id_before_wrong_role", action: getSecret, scope: secret, grants: []Grant{grant(t, "Reader", vault, objectID), grant(t, "Key Vault Secrets User", vault, clientID)}, reason: ReasonClientID, nearest: "client id"},
		{name: "another_principal", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", vault, "77777777-7777-7777-7777-777777777777")}, reason: ReasonNoAssignment},
		{name: "no_principal", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", vault, "")}, reason: ReasonNoAssignment},
		{name: "other_group", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", groupApp2, objectID)}, reason: ReasonScope, nearest: "the resource is in resource group rg-app"},
		{name: "other_subscription", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", "/subscriptions/s2", objectID)}, reason: ReasonScope, nearest: "the resource is in subscription 11111111-"},
		{name: "other_vault", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", vault+"2", objectID)}, reason: ReasonScope, nearest: "the resource is " + secret},
		{name: "below", action: getSecret, scope: vault, grants: []Grant{grant(t, "Key Vault Secrets User", secret, objectID)}, reason: ReasonScope, nearest: "which is above it"},
		{name: "other_place_and_role", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Crypto User", groupApp2, objectID)}, reason: ReasonNoAssignment, nearest: "only, and does not have"},
		{name: "taken_away", action: writeAssign, scope: groupApp, grants: []Grant{grant(t, "Contributor", groupApp, objectID)}, reason: ReasonNotActions, nearest: "takes Microsoft.Authorization/roleAssignments/write away in its notActions", fix: "Role Based Access Control Administrator"},
		{name: "data_only", action: Action{Name: "Microsoft.KeyVault/vaults/write"}, scope: vault, grants: []Grant{grant(t, "Key Vault Administrator", vault, objectID)}, reason: ReasonPlane, nearest: "grants only data actions; Microsoft.KeyVault/vaults/write is a control-plane action", fix: "Key Vault Contributor"},
		{name: "blob_role_for_a_queue", action: addMessage, scope: queue, grants: []Grant{grant(t, "Storage Blob Data Contributor", account, objectID)}, reason: ReasonRole, nearest: "does not have " + addMessage.Name + " in its dataActions", fix: `"Storage Queue Data Message Sender"`},
		{name: "empty_assignment_scope", action: getSecret, scope: secret, grants: []Grant{grant(t, "Key Vault Secrets User", "", objectID)}, reason: ReasonScope},
		{name: "empty_request_scope", action: getSecret, scope: "", grants: []Grant{grant(t, "Key Vault Secrets User", "/", objectID)}, reason: ReasonScope},
		{name: "unknown_action", action: Action{Name: "Nobody.Has/this/action", Data: true}, scope: groupApp, grants: []Grant{grant(t, "Owner", "/", objectID)}, reason: ReasonPlane, fix: `custom role with "Nobody.Has/this/action" in its dataActions`},
		{name: "collection", action: getSecret, scope: groupApp + "/providers/Microsoft.KeyVault/vaults", reason: ReasonNoAssignment, fix: "/vaults"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := DecideRole(workload(), test.action, test.scope, test.grants, Attributes{})
			checkVerdict(t, v, test.reason, chain.LinkAccess)
			if !strings.Contains(v.By, test.by) || !strings.Contains(v.Nearest, test.nearest) || !strings.Contains(v.Fix, test.fix) {
				t.Errorf("got by %q nearest %q fix %q, want %q %q %q", v.By, v.Nearest, v.Fix, test.by, test.nearest, test.fix)
			}
			if strings.Contains(v.Fix+v.Nearest+v.By+v.Looked, "\n") {
				t.Errorf("got more than one line: %+v", v)
			}
		})
	}
}

// checkVerdict holds what is true of every verdict.
func checkVerdict(t *testing.T, v Verdict, reason Reason, link chain.Link) {
	t.Helper()
	if v.Allowed != (reason == "") || v.Reason != reason || v.Link != link {
		t.Fatalf("got allowed %v reason %q link %q (%s), want reason %q link %q", v.Allowed, v.Reason, v.Link, v.Nearest, reason, link)
	}
	if v.Allowed != (v.By != "") || v.Allowed != (v.Fix == "") || v.Allowed && v.Nearest != "" {
		t.Errorf("got allowed %v with by %q nearest %q fix %q", v.Allowed, v.By, v.Nearest, v.Fix)
	}
}

// The mistakes below are real ones of an emulator whose users met Azure later.

func TestOwnerAndContributorReadNoData(t *testing.T) {
	for _, role := range []string{"Owner", "Contributor", "Reader", "Key Vault Contributor", "Storage Account Contributor"} {
		for _, action := range []Action{getSecret, readBlob, addMessage, readKV} {
			v := DecideRole(workload(), action, secret, []Grant{grant(t, role, subscription, objectID)}, Attributes{})
			if v.Allowed {
				t.Errorf("%s does %s: got allowed by %s, want refused", role, action.Name, v.By)
			}
		}
	}
	v := DecideRole(workload(), getSecret, secret, []Grant{grant(t, "Contributor", subscription, objectID)}, Attributes{})
	want := `role "Contributor" (assignment 99999999-9999-9999-9999-999999999999) at ` + subscription +
		" grants only control-plane actions; " + getSecret.Name + " is a data action"
	if v.Reason != ReasonPlane || v.Nearest != want {
		t.Errorf("got %q %q, want %q", v.Reason, v.Nearest, want)
	}
}

func TestScopeIsNotAStringPrefix(t *testing.T) {
	v := DecideRole(workload(), writeVault, strings.Replace(vault, "rg-app", "rg-app2", 1), []Grant{grant(t, "Contributor", groupApp, objectID)}, Attributes{})
	checkVerdict(t, v, ReasonScope, chain.LinkAccess)
	if !strings.HasSuffix(v.Nearest, "the resource is in resource group rg-app2") {
		t.Errorf("got nearest %q", v.Nearest)
	}
}

func TestGroupsCount(t *testing.T) {
	grants := []Grant{grant(t, "Key Vault Secrets User", vault, groupID)}
	if v := DecideRole(workload(), getSecret, secret, grants, Attributes{}); !v.Allowed {
		t.Errorf("got %q, want a member of the group allowed", v.Nearest)
	}
	outsider := workload()
	outsider.Groups = nil
	if v := DecideRole(outsider, getSecret, secret, grants, Attributes{}); v.Allowed {
		t.Errorf("got allowed by %q, want an outsider refused", v.By)
	}
}

// Whatever audience or name a caller comes with, only an assignment lets it in.
func TestNobodySkipsTheDecision(t *testing.T) {
	for _, p := range []Principal{{}, {ObjectID: "00000000-0000-0000-0000-000000000000"}, {AppID: "00000003-0000-0000-c000-000000000000"}, workload()} {
		for _, grants := range [][]Grant{nil, {{}}, {{Assignment: Assignment{Scope: "/"}, Role: grant(t, "Owner", "/", "").Role}}} {
			if v := DecideRole(p, writeVault, vault, grants, Attributes{}); v.Allowed {
				t.Errorf("principal %+v with %d grants: got allowed by %q", p, len(grants), v.By)
			}
		}
	}
}

func TestQueueRolesGrantAddAndProcess(t *testing.T) {
	read := Action{Name: "Microsoft.Storage/storageAccounts/queueServices/queues/messages/read", Data: true}
	remove := Action{Name: "Microsoft.Storage/storageAccounts/queueServices/queues/messages/delete", Data: true}
	tests := []struct {
		role   string
		action Action
		want   bool
	}{
		{"Storage Queue Data Message Sender", addMessage, true},
		{"Storage Queue Data Message Sender", read, false},
		{"Storage Queue Data Message Sender", process, false},
		{"Storage Queue Data Message Processor", process, true},
		{"Storage Queue Data Message Processor", read, true},
		{"Storage Queue Data Message Processor", addMessage, false},
		{"Storage Queue Data Reader", read, true},
		{"Storage Queue Data Reader", process, false},
		{"Storage Queue Data Contributor", process, true},
		{"Storage Queue Data Contributor", remove, true},
	}
	for _, test := range tests {
		if v := DecideRole(workload(), test.action, queue, []Grant{grant(t, test.role, account, objectID)}, Attributes{}); v.Allowed != test.want {
			t.Errorf("%s does %s: got %v, want %v", test.role, test.action.Name, v.Allowed, test.want)
		}
	}
}

func TestNotActionsStayInTheirPermissionSet(t *testing.T) {
	role := RoleDefinition{Name: "custom", Permissions: []Permission{
		{Actions: []string{"*"}, NotActions: []string{"Microsoft.KeyVault/*"}},
		{Actions: []string{"Microsoft.KeyVault/vaults/read"}},
	}}
	grants := []Grant{{Role: role, Assignment: Assignment{Scope: "/", PrincipalID: objectID}}}
	if v := DecideRole(workload(), Action{Name: "Microsoft.KeyVault/vaults/read"}, vault, grants, Attributes{}); !v.Allowed {
		t.Errorf("got %q, want allowed by the second permission set", v.Nearest)
	}
	if v := DecideRole(workload(), writeVault, vault, grants, Attributes{}); v.Allowed {
		t.Errorf("got allowed by %q, want refused", v.By)
	}
	// Another role's grant is not touched by it.
	grants = append(grants, grant(t, "Key Vault Contributor", groupApp, objectID))
	if v := DecideRole(workload(), writeVault, vault, grants, Attributes{}); !v.Allowed {
		t.Errorf("got %q, want allowed by the second assignment", v.Nearest)
	}
}

func BenchmarkDecideRole(b *testing.B) {
	reader, _ := BuiltinRole("Reader")
	user, _ := BuiltinRole("Key Vault Secrets User")
	grants := []Grant{
		{Role: reader, Assignment: Assignment{Name: "a", Scope: subscription, PrincipalID: objectID}},
		{Role: user, Assignment: Assignment{Name: "b", Scope: vault, PrincipalID: objectID}},
	}
	p := workload()
	b.ReportAllocs()
	for b.Loop() {
		if !DecideRole(p, getSecret, secret, grants, Attributes{}).Allowed {
			b.Fatal("refused")
		}
	}
}
