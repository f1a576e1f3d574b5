package network_test

import (
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

// FuzzBodies puts any body to each type: nothing but a 4xx or what was put, and
// what was put can be read and put again.
func FuzzBodies(f *testing.F) {
	w := apptest.New(f, nil)
	w.Put(vnet, networkBody, 201)
	w.Put(frontend, subnetBody("10.0.1.0/24"), 201)
	w.Put(address, addressBody, 201)
	ids := []string{
		provider + "virtualNetworks/fuzz", vnet + "/subnets/fuzz", provider + "publicIPAddresses/fuzz", provider + "applicationGateways/agw",
		provider + "networkSecurityGroups/fuzz", provider + "routeTables/fuzz", provider + "natGateways/fuzz",
	}
	for i, body := range []string{
		networkBody, subnetBody("10.0.2.0/24"), addressBody, gatewayBody, `{` + at + `,"properties":{"securityRules":[{"name":"r","properties":{"priority":100}}]}}`,
		`{` + at + `,"properties":{"routes":[{"name":"r","properties":{"addressPrefix":"0.0.0.0/0","nextHopType":"Internet"}}]}}`, `{` + at + `,"sku":{"name":7},"properties":{"publicIpAddresses":[null]}}`,
		`{` + at + `,"properties":{"subnets":[{"name":"a","properties":null}],"addressSpace":[]}}`, `{"properties":[]}`, `{` + at + `,"properties":{"httpListeners":[[]],"urlPathMaps":[{"name":"m","properties":{"pathRules":[1]}}]}}`,
	} {
		f.Add(i, body)
	}
	f.Fuzz(func(t *testing.T, at int, body string) {
		w.T = t
		id := ids[uint(at)%uint(len(ids))]
		put := w.Do(apptest.Request{Method: "PUT", URL: id, Body: body})
		if put.Status >= 500 && put.Status != 501 {
			t.Fatalf("PUT %s %q: got %d %s", id, body, put.Status, put.Body)
		}
		if put.Status >= 400 {
			return
		}
		read := w.Want(apptest.Request{URL: id}, 200, "")
		again := w.Want(apptest.Request{Method: "PUT", URL: id, Body: read.Body}, 200, "")
		if untagged(again) != untagged(read) {
			t.Errorf("PUT of what was read: got %s, want %s", again.Body, read.Body)
		}
		if got := w.Do(apptest.Request{Method: "DELETE", URL: id}); got.Status != 200 {
			t.Errorf("DELETE %s: got %d %s", id, got.Status, got.Body)
		}
	})
}
