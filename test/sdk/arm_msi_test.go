package sdk

import (
	"fmt"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"

	"github.com/aksess/aksess/test/sdk/deploy"
)

func testManagedIdentity(t *testing.T, m *manager) {
	ctx, group := t.Context(), m.group(t, "arm-msi")
	client := must(armmsi.NewUserAssignedIdentitiesClient(m.SubscriptionID, m.credential, m.options))(t)
	made := must(client.CreateOrUpdate(ctx, group, "first", armmsi.Identity{Location: to.Ptr(deploy.Location), Tags: tags("a", "b")}, nil))(t)
	again := must(client.CreateOrUpdate(ctx, group, "first", armmsi.Identity{Location: to.Ptr(deploy.Location)}, nil))(t)
	same(t, "client id of the same identity", again.Properties.ClientID, *made.Properties.ClientID)
	same(t, "tenant", made.Properties.TenantID, m.TenantID)
	patched := must(client.Update(ctx, group, "first", armmsi.IdentityUpdate{Tags: tags("c", "d")}, nil))(t)
	same(t, "tag", patched.Tags["c"], "d")
	must(client.CreateOrUpdate(ctx, group, "second", armmsi.Identity{Location: to.Ptr(deploy.Location)}, nil))(t)
	list, _ := every(t, client.NewListByResourceGroupPager(group, nil), func(p armmsi.UserAssignedIdentitiesClientListByResourceGroupResponse) []*armmsi.Identity {
		return p.Value
	})
	all, _ := every(t, client.NewListBySubscriptionPager(nil), func(p armmsi.UserAssignedIdentitiesClientListBySubscriptionResponse) []*armmsi.Identity {
		return p.Value
	})
	if len(list) != 2 || len(all) < 2 {
		t.Errorf("got %d identities in the group and %d in the subscription, want 2 and at least those", len(list), len(all))
	}
	t.Run("credentials", func(t *testing.T) { testFederatedCredentials(t, m, group) })
	must(client.Delete(ctx, group, "first", nil))(t)
	refused(client.Get(ctx, group, "first", nil))(t, 404, "ResourceNotFound")
}

func testFederatedCredentials(t *testing.T, m *manager, group string) {
	ctx := t.Context()
	client := must(armmsi.NewFederatedIdentityCredentialsClient(m.SubscriptionID, m.credential, m.options))(t)
	credential := func(subject string) armmsi.FederatedIdentityCredential {
		return armmsi.FederatedIdentityCredential{Properties: &armmsi.FederatedIdentityCredentialProperties{
			Issuer: to.Ptr("https://issuer.example/"), Subject: to.Ptr(subject), Audiences: []*string{to.Ptr("api://AzureADTokenExchange")},
		}}
	}
	for i := range 20 {
		must(client.CreateOrUpdate(ctx, group, "first", fmt.Sprintf("fic-%02d", i), credential(fmt.Sprintf("system:serviceaccount:ns:%d", i)), nil))(t)
	}
	list, pages := every(t, client.NewListPager(group, "first", &armmsi.FederatedIdentityCredentialsClientListOptions{Top: to.Ptr[int32](8)}),
		func(p armmsi.FederatedIdentityCredentialsClientListResponse) []*armmsi.FederatedIdentityCredential {
			return p.Value
		})
	if len(list) != 20 || pages != 3 {
		t.Errorf("got %d credentials on %d pages of 8, want 20 on 3", len(list), pages)
	}
	changed := must(client.CreateOrUpdate(ctx, group, "first", "fic-00", credential("system:serviceaccount:ns:other"), nil))(t)
	same(t, "subject", changed.Properties.Subject, "system:serviceaccount:ns:other")
	same(t, "subject", must(client.Get(ctx, group, "first", "fic-00", nil))(t).Properties.Subject, "system:serviceaccount:ns:other")
	refused(client.CreateOrUpdate(ctx, group, "first", "one-too-many", credential("x"), nil))(t, 409, "Conflict")
	must(client.Delete(ctx, group, "first", "fic-01", nil))(t)
	refused(client.Get(ctx, group, "first", "fic-01", nil))(t, 404, "ResourceNotFound")
}
