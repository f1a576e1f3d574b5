package sdk

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/google/uuid"

	"github.com/aksess/aksess/test/sdk/deploy"
)

func testAuthorization(t *testing.T, m *manager) {
	group := m.group(t, "arm-authorization")
	identities := must(armmsi.NewUserAssignedIdentitiesClient(m.SubscriptionID, m.credential, m.options))(t)
	identity := must(identities.CreateOrUpdate(t.Context(), group, "assignee", armmsi.Identity{Location: to.Ptr(deploy.Location)}, nil))(t)
	principal := *identity.Properties.PrincipalID
	t.Run("assignments", func(t *testing.T) { testRoleAssignments(t, m, group, principal) })
	t.Run("definitions", func(t *testing.T) { testRoleDefinitions(t, m, group, principal) })
	t.Run("others", func(t *testing.T) { testOtherAuthorization(t, m, group) })
}

// roleNamed finds a role as tools do: by its name.
func roleNamed(t testing.TB, m *manager, scope, name string) string {
	t.Helper()
	client := must(armauthorization.NewRoleDefinitionsClient(m.credential, m.options))(t)
	found, _ := every(t, client.NewListPager(scope, &armauthorization.RoleDefinitionsClientListOptions{Filter: to.Ptr("roleName eq '" + name + "'")}),
		func(p armauthorization.RoleDefinitionsClientListResponse) []*armauthorization.RoleDefinition {
			return p.Value
		})
	if len(found) != 1 {
		t.Fatalf("roles named %s: got %d, want 1", name, len(found))
	}
	return *found[0].ID
}

func testRoleAssignments(t *testing.T, m *manager, group, principal string) {
	ctx, scope := t.Context(), m.scope(group)
	client := must(armauthorization.NewRoleAssignmentsClient(m.SubscriptionID, m.credential, m.options))(t)
	role := roleNamed(t, m, scope, "Storage Blob Data Reader")
	parameters := func(role, condition string) armauthorization.RoleAssignmentCreateParameters {
		p := &armauthorization.RoleAssignmentProperties{RoleDefinitionID: to.Ptr(role), PrincipalID: to.Ptr(principal), PrincipalType: to.Ptr(armauthorization.PrincipalTypeServicePrincipal)}
		if condition != "" {
			p.Condition, p.ConditionVersion = to.Ptr(condition), to.Ptr("2.0")
		}
		return armauthorization.RoleAssignmentCreateParameters{Properties: p}
	}
	name := uuid.NewString()
	made := must(client.Create(ctx, scope, name, parameters(role, ""), nil))(t)
	id(t, made.ID, scope+"/providers/Microsoft.Authorization/roleAssignments/"+name)
	same(t, "scope", made.Properties.Scope, scope)
	same(t, "role", made.Properties.RoleDefinitionID, role)
	read := must(client.GetByID(ctx, *made.ID, nil))(t)
	same(t, "principal", read.Properties.PrincipalID, principal)
	same(t, "type", read.Properties.PrincipalType, armauthorization.PrincipalTypeServicePrincipal)

	const condition = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'c1'"
	must(client.Create(ctx, scope, name, parameters(role, condition), nil))(t)
	same(t, "condition", must(client.Get(ctx, scope, name, nil))(t).Properties.Condition, condition)

	ofPrincipal := &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: to.Ptr("principalId eq '" + principal + "'")}
	list, _ := every(t, client.NewListForScopePager(scope, ofPrincipal), func(p armauthorization.RoleAssignmentsClientListForScopeResponse) []*armauthorization.RoleAssignment {
		return p.Value
	})
	if len(list) != 1 || *list[0].Name != name {
		t.Errorf("assignments of the principal: got %d, want %s", len(list), name)
	}
	inGroup, _ := every(t, client.NewListForResourceGroupPager(group, nil), func(p armauthorization.RoleAssignmentsClientListForResourceGroupResponse) []*armauthorization.RoleAssignment {
		return p.Value
	})
	inSubscription, _ := every(t, client.NewListForSubscriptionPager(&armauthorization.RoleAssignmentsClientListForSubscriptionOptions{Filter: to.Ptr("atScope()")}),
		func(p armauthorization.RoleAssignmentsClientListForSubscriptionResponse) []*armauthorization.RoleAssignment {
			return p.Value
		})
	named := func(a *armauthorization.RoleAssignment) bool { return *a.Name == name }
	if has(inGroup, named) != 1 || has(inSubscription, named) != 0 || len(inSubscription) == 0 {
		t.Errorf("got %d of it among the group's and %d among the %d at the subscription, want 1 and 0", has(inGroup, named), has(inSubscription, named), len(inSubscription))
	}

	refused(client.Create(ctx, scope, uuid.NewString(), parameters(role, ""), nil))(t, 409, "RoleAssignmentExists")
	refused(client.Create(ctx, scope, name, parameters(roleNamed(t, m, scope, "Reader"), ""), nil))(t, 400, "RoleAssignmentUpdateNotPermitted")
	refused(client.Create(ctx, scope, uuid.NewString(), parameters(roleNamed(t, m, scope, "Reader"), "only on Mondays"), nil))(t, 400, "InvalidCondition")
	refused(client.Create(ctx, m.scope("none"), uuid.NewString(), parameters(role, ""), nil))(t, 404, "ResourceGroupNotFound")

	gone := must(client.Delete(ctx, scope, name, nil))(t)
	same(t, "deleted", gone.Name, name)
	must(client.DeleteByID(ctx, *made.ID, nil))(t) // once more: nothing to delete is no error
	refused(client.Get(ctx, scope, name, nil))(t, 404, "RoleAssignmentNotFound")
}

func testRoleDefinitions(t *testing.T, m *manager, group, principal string) {
	ctx, scope := t.Context(), m.scope(group)
	client := must(armauthorization.NewRoleDefinitionsClient(m.credential, m.options))(t)
	name := uuid.NewString()
	role := func(title, scope string) armauthorization.RoleDefinition {
		return armauthorization.RoleDefinition{Properties: &armauthorization.RoleDefinitionProperties{
			RoleName: to.Ptr(title), Description: to.Ptr("reads accounts"), RoleType: to.Ptr("CustomRole"), AssignableScopes: []*string{to.Ptr(scope)},
			Permissions: []*armauthorization.Permission{{Actions: []*string{to.Ptr("Microsoft.Storage/storageAccounts/read")}, NotActions: []*string{}}},
		}}
	}
	made := must(client.CreateOrUpdate(ctx, scope, name, role("arm account reader", scope), nil))(t)
	same(t, "type", made.Properties.RoleType, "CustomRole")
	same(t, "name", must(client.GetByID(ctx, *made.ID, nil))(t).Properties.RoleName, "arm account reader")
	must(client.CreateOrUpdate(ctx, scope, name, role("arm account viewer", scope), nil))(t)
	custom, _ := every(t, client.NewListPager(scope, &armauthorization.RoleDefinitionsClientListOptions{Filter: to.Ptr("type eq 'CustomRole'")}),
		func(p armauthorization.RoleDefinitionsClientListResponse) []*armauthorization.RoleDefinition {
			return p.Value
		})
	if len(custom) != 1 || *custom[0].Properties.RoleName != "arm account viewer" {
		t.Errorf("custom roles of the group: got %d, want the changed one", len(custom))
	}
	all, _ := every(t, client.NewListPager("/subscriptions/"+m.SubscriptionID, nil), func(p armauthorization.RoleDefinitionsClientListResponse) []*armauthorization.RoleDefinition {
		return p.Value
	})
	if len(all) < 45 || has(all, func(r *armauthorization.RoleDefinition) bool { return *r.Name == name }) != 0 {
		t.Errorf("roles of the subscription: got %d, want the built-in ones and not the group's", len(all))
	}
	refused(client.CreateOrUpdate(ctx, scope, uuid.NewString(), role("ARM account viewer", scope), nil))(t, 409, "RoleDefinitionWithSameNameExists")

	assignments := must(armauthorization.NewRoleAssignmentsClient(m.SubscriptionID, m.credential, m.options))(t)
	assigned := must(assignments.Create(ctx, scope, uuid.NewString(), armauthorization.RoleAssignmentCreateParameters{
		Properties: &armauthorization.RoleAssignmentProperties{RoleDefinitionID: made.ID, PrincipalID: to.Ptr(principal)},
	}, nil))(t)
	refused(client.Delete(ctx, scope, name, nil))(t, 409, "RoleDefinitionHasAssignments")
	must(assignments.DeleteByID(ctx, *assigned.ID, nil))(t)
	must(client.Delete(ctx, scope, name, nil))(t)
	refused(client.Get(ctx, scope, name, nil))(t, 404, "RoleDefinitionDoesNotExist")
}

func testOtherAuthorization(t *testing.T, m *manager, group string) {
	denials := must(armauthorization.NewDenyAssignmentsClient(m.SubscriptionID, m.credential, m.options))(t)
	denied, _ := every(t, denials.NewListForScopePager(m.scope(group), nil), func(p armauthorization.DenyAssignmentsClientListForScopeResponse) []*armauthorization.DenyAssignment {
		return p.Value
	})
	if len(denied) != 0 {
		t.Errorf("deny assignments: got %d, want none", len(denied))
	}
	permissions := must(armauthorization.NewPermissionsClient(m.SubscriptionID, m.credential, m.options))(t)
	held, _ := every(t, permissions.NewListForResourceGroupPager(group, nil), func(p armauthorization.PermissionsClientListForResourceGroupResponse) []*armauthorization.Permission {
		return p.Value
	})
	if has(held, func(p *armauthorization.Permission) bool {
		return len(p.Actions) > 0 && strings.Contains(*p.Actions[0], "*")
	}) == 0 {
		t.Errorf("permissions of the deployer: got %d, want those of its role", len(held))
	}
	instances := must(armauthorization.NewRoleAssignmentScheduleInstancesClient(m.credential, m.options))(t)
	active, _ := every(t, instances.NewListForScopePager("subscriptions/"+m.SubscriptionID, &armauthorization.RoleAssignmentScheduleInstancesClientListForScopeOptions{Filter: to.Ptr("asTarget()")}),
		func(p armauthorization.RoleAssignmentScheduleInstancesClientListForScopeResponse) []*armauthorization.RoleAssignmentScheduleInstance {
			return p.Value
		})
	if len(active) == 0 || *active[0].Properties.Status != armauthorization.StatusProvisioned {
		t.Errorf("schedule instances of the deployer: got %d, want its own", len(active))
	}
}
