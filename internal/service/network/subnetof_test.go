package network_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/service/network"
)

func TestSubnetOf(t *testing.T) {
	w := start(t)
	networks := network.New(network.Options{Resources: w.Resources, Store: w.Store, NewID: w.NewID})
	of := func(address, want string, endpoints ...string) {
		t.Helper()
		got, have := networks.SubnetOf(access.Origin{Address: netip.MustParseAddr(address)})
		if got != want || fmt.Sprint(have) != fmt.Sprint(endpoints) {
			t.Errorf("%s: got %q %v, want %q %v", address, got, have, want, endpoints)
		}
	}
	of("10.0.0.7", nodes)
	of("::ffff:10.0.0.7", nodes)
	of("10.0.1.255", frontend)
	of("10.0.2.1", "")
	of(apptest.Address, "")
	if got, _ := networks.SubnetOf(access.Origin{}); got != "" {
		t.Errorf("no address: got %q, want none", got)
	}
	w.Put(nodes, `{"properties":{"addressPrefixes":["10.0.0.0/24","10.0.8.0/24"],"serviceEndpoints":[{"service":"Microsoft.KeyVault"},{"service":"Microsoft.Storage.Global"}]}}`, 200)
	of("10.0.8.7", nodes, "Microsoft.KeyVault", "Microsoft.Storage")
	other := provider + "virtualNetworks/other"
	w.Put(other, `{`+at+`,"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[{"name":"s","properties":{"addressPrefix":"10.0.0.0/25"}}]}}`, 201)
	of("10.0.0.7", "") // of two networks
	of("10.0.0.200", nodes, "Microsoft.KeyVault", "Microsoft.Storage")
	remove(w, other, 200, "")
	of("10.0.0.7", nodes, "Microsoft.KeyVault", "Microsoft.Storage")
	remove(w, nodes, 200, "")
	of("10.0.0.7", "")
}

// TestFirewallsAdmitSubnets asks vault and account from an address of the
// subnet that their rules name: it is let in with the service endpoint only.
func TestFirewallsAdmitSubnets(t *testing.T) {
	w := start(t)
	vault := apptest.Group + "/providers/Microsoft.KeyVault/vaults/firewalled"
	account := apptest.Group + "/providers/Microsoft.Storage/storageAccounts/firewalled"
	rules := `"networkAcls":{"bypass":"None","defaultAction":"Deny","virtualNetworkRules":[{"id":"` + nodes + `"}]}`
	for id, body := range map[string]string{
		vault:   `{` + at + `,"properties":{"tenantId":"` + apptest.TenantID + `","sku":{"family":"A","name":"standard"},"enableRbacAuthorization":true,` + rules + `}}`,
		account: `{` + at + `,"kind":"StorageV2","sku":{"name":"Standard_LRS"},"properties":{` + rules + `}}`,
	} {
		if got := w.Do(apptest.Request{Method: "PUT", URL: id, Body: body}); got.Status >= 300 {
			t.Fatalf("PUT %s: got %d %s", id, got.Status, got.Body)
		}
	}
	w.Assign(apptest.Owner, "Key Vault Secrets User", vault)
	w.Assign(apptest.Owner, "Storage Blob Data Reader", account)
	secrets := apptest.Request{URL: "firewalled.vault.azure.net/secrets?api-version=7.4", From: "10.0.0.7"}
	blobs := apptest.Request{URL: "firewalled.blob.core.windows.net/?comp=list", From: "10.0.0.7", Header: map[string]string{"x-ms-version": "2025-01-05"}}
	status := func(when string, r apptest.Request, want int) {
		t.Helper()
		if got := w.Do(r); got.Status != want {
			t.Errorf("%s, %s: got %d %s, want %d", when, r.URL, got.Status, got.Body, want)
		}
	}
	endpoints := func(services string) {
		t.Helper()
		w.Put(nodes, `{"properties":{"addressPrefix":"10.0.0.0/24","serviceEndpoints":[`+services+`]}}`, 200)
	}
	status("no endpoint", secrets, 403)
	if got, want := w.Last().Verdict.Fix, "add the service endpoint Microsoft.KeyVault to subnet "+nodes; got != want {
		t.Errorf("fix: got %q, want %q", got, want)
	}
	status("no endpoint", blobs, 403)
	endpoints(`{"service":"Microsoft.KeyVault"}`)
	status("the vault's endpoint", secrets, 200)
	status("the vault's endpoint", blobs, 403)
	endpoints(`{"service":"microsoft.storage"}`)
	status("the storage's endpoint", secrets, 403)
	status("the storage's endpoint", blobs, 200)
	secrets.From = "10.0.1.7"
	endpoints(`{"service":"Microsoft.KeyVault"}`)
	status("another subnet", secrets, 403)
}
