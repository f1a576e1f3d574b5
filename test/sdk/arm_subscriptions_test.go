package sdk

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armsubscriptions"

	"github.com/aksess/aksess/test/sdk/deploy"
)

func testSubscriptions(t *testing.T, m *manager) {
	client := must(armsubscriptions.NewClient(m.credential, m.options))(t)
	got := must(client.Get(t.Context(), m.SubscriptionID, nil))(t)
	same(t, "subscription id", got.SubscriptionID, m.SubscriptionID)
	same(t, "state", got.State, armsubscriptions.SubscriptionStateEnabled)
	all, _ := every(t, client.NewListPager(nil), func(p armsubscriptions.ClientListResponse) []*armsubscriptions.Subscription { return p.Value })
	if has(all, func(s *armsubscriptions.Subscription) bool { return *s.SubscriptionID == m.SubscriptionID }) != 1 {
		t.Errorf("got %d subscriptions without the deployer's", len(all))
	}
	locations, _ := every(t, client.NewListLocationsPager(m.SubscriptionID, nil), func(p armsubscriptions.ClientListLocationsResponse) []*armsubscriptions.Location { return p.Value })
	if has(locations, func(l *armsubscriptions.Location) bool { return *l.Name == deploy.Location && l.DisplayName != nil }) != 1 {
		t.Errorf("got %d locations without %s", len(locations), deploy.Location)
	}
	tenants := must(armsubscriptions.NewTenantsClient(m.credential, m.options))(t)
	list, _ := every(t, tenants.NewListPager(nil), func(p armsubscriptions.TenantsClientListResponse) []*armsubscriptions.TenantIDDescription {
		return p.Value
	})
	if len(list) != 1 || *list[0].TenantID != m.TenantID {
		t.Errorf("got %d tenants, want %s", len(list), m.TenantID)
	}
	refused(client.Get(t.Context(), "99999999-9999-4999-8999-999999999999", nil))(t, 404, "SubscriptionNotFound")
}
