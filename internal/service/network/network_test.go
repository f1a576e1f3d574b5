package network_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

const (
	provider = apptest.Group + "/providers/Microsoft.Network/"
	vnet     = provider + "virtualNetworks/vnet"
	nodes    = vnet + "/subnets/aks"
	frontend = vnet + "/subnets/agw"
	address  = provider + "publicIPAddresses/pip"
	gateway  = provider + "applicationGateways/agw"
	at       = `"location":"` + apptest.Location + `"`
)

const networkBody = `{` + at + `,"tags":{"Service":"network"},"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},
	"dhcpOptions":{"dnsServers":["10.0.0.4"]},"privateEndpointVNetPolicies":"Disabled","subnets":[]}}`

func subnetBody(prefix string) string {
	return `{"name":"any","properties":{"addressPrefixes":["` + prefix + `"],"defaultOutboundAccess":true,"delegations":[],"privateEndpointNetworkPolicies":"Enabled",
		"privateLinkServiceNetworkPolicies":"Enabled","serviceEndpoints":[],"sharingScope":""}}`
}

func start(t *testing.T) *apptest.World {
	t.Helper()
	w := apptest.New(t, nil)
	w.Put(vnet, networkBody, 201)
	w.Put(nodes, subnetBody("10.0.0.0/24"), 201)
	w.Put(frontend, subnetBody("10.0.1.0/24"), 201)
	return w
}

func get(w *apptest.World, id string) apptest.Response {
	w.T.Helper()
	return w.Want(apptest.Request{URL: id}, http.StatusOK, "")
}

func remove(w *apptest.World, id string, status int, code string) apptest.Response {
	w.T.Helper()
	return w.Want(apptest.Request{Method: http.MethodDelete, URL: id}, status, code)
}

// wants compares members of an answer.
func wants(t *testing.T, what string, r apptest.Response, members map[string]string) {
	t.Helper()
	for path, want := range members {
		if got := r.Get(path); got != want {
			t.Errorf("%s, %s: got %q, want %q in %s", what, path, got, want, r.Body)
		}
	}
}

var tags = regexp.MustCompile(`"etag":"W/\\"[0-9a-f]+\\""`)

// untagged is an answer without its etags.
func untagged(r apptest.Response) string { return tags.ReplaceAllString(r.Body, "") }

func TestNetworkReadsBackAsSent(t *testing.T) {
	w := apptest.New(t, nil)
	w.Want(apptest.Request{URL: vnet}, 404, "ResourceNotFound")
	wants(t, "created", w.Put(vnet, networkBody, 201), map[string]string{"properties.provisioningState": "Succeeded"})
	got := get(w, vnet)
	wants(t, "network", got, map[string]string{
		"properties.provisioningState": "Succeeded", "properties.subnets": "[]", "properties.addressSpace.addressPrefixes.0": "10.0.0.0/16",
		"properties.dhcpOptions.dnsServers.0": "10.0.0.4", "properties.privateEndpointVNetPolicies": "Disabled", "tags.Service": "network",
		"properties.virtualNetworkPeerings": "[]", "etag": "W/" + got.Header.Get("ETag"),
	})
	guid := got.Get("properties.resourceGuid")
	if len(guid) != 36 {
		t.Errorf("resourceGuid: got %q, want a GUID", guid)
	}
	w.Put(nodes, subnetBody("10.0.0.0/24"), 201)
	subnet := get(w, nodes)
	wants(t, "subnet", subnet, map[string]string{
		"id": nodes, "name": "aks", "type": "Microsoft.Network/virtualNetworks/subnets", "properties.provisioningState": "Succeeded",
		"properties.addressPrefixes.0": "10.0.0.0/24", "properties.privateEndpointNetworkPolicies": "Enabled", "properties.sharingScope": "",
		"properties.defaultOutboundAccess": "true", "properties.serviceEndpoints": "[]", "properties.delegations": "[]", "location": "",
	})
	got = get(w, vnet)
	wants(t, "network with its subnet", got, map[string]string{
		"properties.subnets.0.id": nodes, "properties.subnets.0.name": "aks", "properties.subnets.0.properties.provisioningState": "Succeeded",
		"properties.subnets.0.properties.addressPrefixes.0": "10.0.0.0/24", "properties.resourceGuid": guid, "etag": subnet.Get("etag"),
	})
	// The model that was read is accepted as it is, and changes nothing but the version.
	w.Put(vnet, got.Body, 200)
	again := get(w, vnet)
	if untagged(again) != untagged(got) {
		t.Errorf("a PUT of what was read: got %s, want %s", again.Body, got.Body)
	}
}

func TestSubnetsOfAPut(t *testing.T) {
	w := start(t)
	inline := func(subnets string) string {
		return `{` + at + `,"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]}` + subnets + `}}`
	}
	subnet := func(name, prefix string) string {
		return `{"name":"` + name + `","properties":{"addressPrefix":"` + prefix + `"}}`
	}
	w.Put(vnet, inline(""), 200)
	wants(t, "a PUT that does not speak of subnets", get(w, vnet), map[string]string{"properties.subnets.1.name": "agw"})
	w.Assign("joiner", "Network Contributor", nodes)
	w.Put(vnet, inline(`,"subnets":[`+subnet("agw", "10.0.1.0/24")+`,`+subnet("new", "10.0.2.0/24")+`]`), 200)
	w.Want(apptest.Request{URL: nodes}, 404, "ResourceNotFound")
	wants(t, "a subnet of the PUT", get(w, vnet+"/subnets/NEW"), map[string]string{"name": "new", "properties.addressPrefix": "10.0.2.0/24"})
	w.Put(nodes, subnetBody("10.0.0.0/24"), 201)
	w.Want(apptest.Request{URL: nodes, As: "joiner"}, 403, "AuthorizationFailed") // of the subnet that was
	w.Want(apptest.Request{Method: "PUT", URL: vnet, Body: inline(`,"subnets":[` + subnet("a", "10.0.4.0/24") + `,` + subnet("A", "10.0.5.0/24") + `]`)}, 400, "DuplicateResourceName")
	w.Want(apptest.Request{Method: "PATCH", URL: vnet, Body: `{"tags":{"a":"b"},"properties":{"subnets":[]}}`}, 200, "")
	wants(t, "after a PATCH", get(w, vnet), map[string]string{"tags.a": "b", "properties.subnets.2.name": "aks"})
	w.Put(vnet, inline(`,"subnets":[]`), 200)
	wants(t, "after an empty list", get(w, vnet), map[string]string{"properties.subnets": "[]"})
}

func TestPrefixes(t *testing.T) {
	w := start(t)
	for name, c := range map[string]struct{ id, body, code string }{
		"no_cidr":          {vnet + "/subnets/x", subnetBody("10.0.2.0"), "InvalidAddressPrefixFormat"},
		"words":            {vnet + "/subnets/x", subnetBody("ten"), "InvalidAddressPrefixFormat"},
		"mapped":           {vnet + "/subnets/x", subnetBody("::ffff:10.0.2.0/120"), "InvalidAddressPrefixFormat"},
		"host_bits":        {vnet + "/subnets/x", subnetBody("10.0.2.7/24"), "InvalidCIDRNotation"},
		"overlap":          {vnet + "/subnets/x", subnetBody("10.0.1.128/25"), "NetcfgSubnetRangesOverlap"},
		"overlap_above":    {vnet + "/subnets/x", subnetBody("10.0.0.0/20"), "NetcfgSubnetRangesOverlap"},
		"outside":          {vnet + "/subnets/x", subnetBody("10.1.0.0/24"), "NetcfgSubnetRangeOutsideVnet"},
		"larger":           {vnet + "/subnets/x", subnetBody("10.0.0.0/8"), "NetcfgSubnetRangeOutsideVnet"},
		"none":             {vnet + "/subnets/x", `{"properties":{}}`, "InvalidRequestFormat"},
		"no_properties":    {vnet + "/subnets/x", `{}`, "InvalidRequestFormat"},
		"no_list":          {vnet + "/subnets/x", `{"properties":{"addressPrefixes":"10.0.2.0/24"}}`, "InvalidRequestFormat"},
		"number":           {vnet + "/subnets/x", `{"properties":{"addressPrefixes":[7]}}`, "InvalidRequestFormat"},
		"bad_name":         {vnet + "/subnets/-x", subnetBody("10.0.2.0/24"), "InvalidResourceName"},
		"long_name":        {vnet + "/subnets/" + strings.Repeat("x", 81), subnetBody("10.0.2.0/24"), "InvalidResourceName"},
		"no_endpoint":      {vnet + "/subnets/x", `{"properties":{"addressPrefix":"10.0.2.0/24","serviceEndpoints":[{}]}}`, "InvalidRequestFormat"},
		"no_delegation":    {vnet + "/subnets/x", `{"properties":{"addressPrefix":"10.0.2.0/24","delegations":[{"name":"d"}]}}`, "InvalidRequestFormat"},
		"space_missing":    {provider + "virtualNetworks/v2", `{` + at + `,"properties":{}}`, "InvalidRequestFormat"},
		"space_twice":      {provider + "virtualNetworks/v2", `{` + at + `,"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/8","10.2.0.0/16"]}}}`, "AddressSpacePrefixesOverlap"},
		"space_shrinks":    {vnet, `{` + at + `,"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/24"]}}}`, "NetcfgSubnetRangeOutsideVnet"},
		"subnets_no_list":  {vnet, `{` + at + `,"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":{}}}`, "InvalidRequestFormat"},
		"no_such_group":    {vnet + "/subnets/x", `{"properties":{"addressPrefix":"10.0.2.0/24","networkSecurityGroup":{"id":"` + provider + `networkSecurityGroups/none"}}}`, "InvalidResourceReference"},
		"reference_no_id":  {vnet + "/subnets/x", `{"properties":{"addressPrefix":"10.0.2.0/24","routeTable":{}}}`, "LinkedInvalidPropertyId"},
		"reference_a_word": {vnet + "/subnets/x", `{"properties":{"addressPrefix":"10.0.2.0/24","routeTable":{"id":"table"}}}`, "LinkedInvalidPropertyId"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.Want(apptest.Request{Method: "PUT", URL: c.id, Body: c.body}, 400, c.code)
		})
	}
	w.T = t
	w.Want(apptest.Request{Method: "PUT", URL: vnet, Body: `{` + at + `,"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"virtualNetworkPeerings":[{"name":"p"}]}}`}, 501, "NotSupported")
	w.Want(apptest.Request{Method: "PUT", URL: provider + "virtualNetworks/none/subnets/x", Body: subnetBody("10.0.0.0/24")}, 404, "ParentResourceNotFound")
}

func TestEndpointsAndDelegations(t *testing.T) {
	w := start(t)
	w.Put(nodes, `{"properties":{"addressPrefix":"10.0.0.0/24","serviceEndpoints":[{"service":"Microsoft.KeyVault"},{"service":"Microsoft.Storage","provisioningState":null}],
		"delegations":[{"name":"d","properties":{"serviceName":"Microsoft.Web/serverFarms","actions":["a"]}}]}}`, 200)
	wants(t, "subnet", get(w, nodes), map[string]string{
		"properties.serviceEndpoints.0": `{"locations":["*"],"provisioningState":"Succeeded","service":"Microsoft.KeyVault"}`,
		"properties.serviceEndpoints.1": `{"locations":["westeurope"],"provisioningState":"Succeeded","service":"Microsoft.Storage"}`,
		"properties.delegations.0.id":   nodes + "/delegations/d", "properties.delegations.0.properties.actions": `["a"]`,
		"properties.addressPrefixes": "", // as it was sent now, not as it was before
	})
}

const gatewayBody = `{` + at + `,"zones":["1","2","3"],"properties":{
	"sku":{"name":"Standard_v2","tier":"Standard_v2","capacity":1},"sslPolicy":{"policyType":"Predefined","policyName":"AppGwSslPolicy20220101"},
	"gatewayIPConfigurations":[{"name":"gateway","properties":{"subnet":{"id":"` + frontend + `"}}}],
	"frontendIPConfigurations":[{"name":"public","properties":{"publicIPAddress":{"id":"` + address + `"}}}],
	"frontendPorts":[{"name":"http","properties":{"port":80}}],
	"backendAddressPools":[{"name":"default","properties":{"backendAddresses":[]}}],
	"backendHttpSettingsCollection":[{"name":"default","properties":{"port":80,"protocol":"Http","cookieBasedAffinity":"Disabled","requestTimeout":30}}],
	"httpListeners":[{"name":"default","properties":{"protocol":"Http","frontendIPConfiguration":{"id":"` + gateway + `/frontendIPConfigurations/public"},"frontendPort":{"id":"` + gateway + `/frontendPorts/http"}}}],
	"sslCertificates":[{"name":"tls","properties":{"data":"c2VjcmV0","password":"hidden"}}],
	"urlPathMaps":[{"name":"map","properties":{"pathRules":[{"name":"rule","properties":{"paths":["/a"],"backendAddressPool":{"id":"` + gateway + `/backendAddressPools/default"}}}]}}],
	"requestRoutingRules":[{"name":"default","properties":{"priority":100,"ruleType":"Basic","httpListener":{"id":"` + gateway + `/httpListeners/default"},
		"backendAddressPool":{"id":"` + gateway + `/backendAddressPools/default"},"backendHttpSettings":{"id":"` + gateway + `/backendHttpSettingsCollection/default"}}}]}}`

const addressBody = `{` + at + `,"zones":["1","2","3"],"sku":{"name":"Standard"},"properties":{"publicIPAllocationMethod":"Static","publicIPAddressVersion":"IPv4","idleTimeoutInMinutes":4}}`

func startGateway(t *testing.T) *apptest.World {
	t.Helper()
	w := start(t)
	w.Put(address, addressBody, 201)
	w.Put(gateway, gatewayBody, 201)
	return w
}

func TestGatewayReadsBackAsSent(t *testing.T) {
	w := startGateway(t)
	got := get(w, gateway)
	tag := got.Get("etag")
	for _, collection := range []string{"gatewayIPConfigurations", "frontendIPConfigurations", "frontendPorts", "backendAddressPools", "backendHttpSettingsCollection", "httpListeners", "requestRoutingRules", "sslCertificates", "urlPathMaps"} {
		part := "properties." + collection + ".0."
		wants(t, collection, got, map[string]string{
			part + "id": gateway + "/" + collection + "/" + got.Get(part+"name"), part + "type": "Microsoft.Network/applicationGateways/" + collection,
			part + "properties.provisioningState": "Succeeded", part + "etag": tag,
		})
	}
	wants(t, "gateway", got, map[string]string{
		"properties.provisioningState": "Succeeded", "properties.operationalState": "Running", "zones": `["1","2","3"]`, "properties.probes": "[]",
		"properties.sku.capacity": "1", "properties.sslPolicy.policyName": "AppGwSslPolicy20220101",
		"properties.sslCertificates.0.properties.data": "", "properties.sslCertificates.0.properties.password": "",
		"properties.urlPathMaps.0.properties.pathRules.0.id":               gateway + "/urlPathMaps/map/pathRules/rule",
		"properties.frontendPorts.0.properties.httpListeners.0.id":         gateway + "/httpListeners/default",
		"properties.httpListeners.0.properties.requestRoutingRules.0.id":   gateway + "/requestRoutingRules/default",
		"properties.backendAddressPools.0.properties.requestRoutingRules":  `[{"id":"` + gateway + `/requestRoutingRules/default"}]`,
		"properties.requestRoutingRules.0.properties.backendHttpSettings":  `{"id":"` + gateway + `/backendHttpSettingsCollection/default"}`,
		"properties.frontendIPConfigurations.0.properties.publicIPAddress": `{"id":"` + address + `"}`,
	})
	w.Put(gateway, got.Body, 200)
	again := get(w, gateway)
	if untagged(again) != untagged(got) {
		t.Errorf("a PUT of what was read: got %s, want %s", again.Body, got.Body)
	}
	w.Want(apptest.Request{Method: "PATCH", URL: gateway, Body: `{"tags":{"a":"b"}}`}, 200, "")
	wants(t, "after a PATCH", get(w, gateway), map[string]string{"tags.a": "b", "zones": `["1","2","3"]`, "properties.sku.tier": "Standard_v2"})
	wants(t, "subnet in use", get(w, frontend), map[string]string{"properties.applicationGatewayIPConfigurations": `[{"id":"` + gateway + `/gatewayIPConfigurations/gateway"}]`})
	wants(t, "address in use", get(w, address), map[string]string{"properties.ipConfiguration.id": gateway + "/frontendIPConfigurations/public"})
}

func TestGatewayRefuses(t *testing.T) {
	w := startGateway(t)
	for name, c := range map[string]struct{ old, new, code string }{
		"listener_not_there": {`/httpListeners/default"}`, `/httpListeners/other"}`, "InvalidResourceReference"},
		"subnet_not_there":   {`/subnets/agw"`, `/subnets/none"`, "InvalidResourceReference"},
		"network_not_there":  {`virtualNetworks/vnet/`, `virtualNetworks/none/`, "InvalidResourceReference"},
		"address_not_there":  {`publicIPAddresses/pip`, `publicIPAddresses/none`, "InvalidResourceReference"},
		"word":               {gateway + `/frontendPorts/http"}`, `http"}`, "LinkedInvalidPropertyId"},
		"same_name":          {`"frontendPorts":[`, `"frontendPorts":[{"name":"HTTP"},`, "DuplicateResourceName"},
		"no_name":            {`"frontendPorts":[`, `"frontendPorts":[{},`, "InvalidResourceName"},
		"no_object":          {`"frontendPorts":[`, `"frontendPorts":[1,`, "ApplicationGatewayInvalid"},
		"no_list":            {`"sslCertificates":[`, `"probes":1,"sslCertificates":[`, "InvalidRequestFormat"},
		"tier":               {`"tier":"Standard_v2"`, `"tier":"Platinum"`, "ApplicationGatewayInvalid"},
		"no_listeners":       {`"httpListeners":`, `"other":`, "ApplicationGatewayInvalid"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			body := strings.Replace(gatewayBody, c.old, c.new, 1)
			if body == gatewayBody {
				t.Fatalf("%q is not in the body", c.old)
			}
			w.Want(apptest.Request{Method: "PUT", URL: gateway, Body: body}, 400, c.code)
		})
	}
	w.T = t
	elsewhere := strings.ReplaceAll(strings.Replace(gatewayBody, apptest.Location, "northeurope", 1), "applicationGateways/agw", "applicationGateways/far")
	w.Want(apptest.Request{Method: "PUT", URL: provider + "applicationGateways/far", Body: elsewhere}, 400, "InvalidResourceReference")
}

func TestJoiningNeedsAPermission(t *testing.T) {
	w := start(t)
	w.Put(address, addressBody, 201)
	w.Assign("builder", "Network Contributor", gateway)
	r := apptest.Request{Method: "PUT", URL: gateway, Body: gatewayBody, As: "builder"}
	w.Want(r, 403, "LinkedAuthorizationFailed")
	w.Assign("builder", "Network Contributor", address)
	if got := w.Want(r, 403, "LinkedAuthorizationFailed"); !strings.Contains(got.Body, "subnets/join/action") {
		t.Errorf("got %s, want it to name the action on the subnet", got.Body)
	}
	w.Assign("builder", "Network Contributor", frontend)
	w.Want(r, 201, "")
}

func TestWhatIsInUseStays(t *testing.T) {
	w := startGateway(t)
	cluster := apptest.Group + "/providers/Microsoft.ContainerService/managedClusters/aks"
	w.Put(cluster, `{`+at+`,"properties":{"dnsPrefix":"aks","agentPoolProfiles":[{"name":"pool","count":1,"vmSize":"Standard_DS4_v2","vnetSubnetID":"`+strings.ToUpper(nodes)+`"}]}}`, 201)
	if got := remove(w, frontend, 400, "InUseSubnetCannotBeDeleted"); !strings.Contains(got.Body, "Subnet agw is in use by "+gateway+"/gatewayIPConfigurations/gateway and cannot be deleted.") {
		t.Errorf("got %s, want it to name the gateway", got.Body)
	}
	if got := remove(w, nodes, 400, "InUseSubnetCannotBeDeleted"); !strings.Contains(got.Body, cluster+"/agentPools/pool") {
		t.Errorf("got %s, want it to name the cluster", got.Body)
	}
	remove(w, address, 400, "PublicIPAddressCannotBeDeleted")
	remove(w, vnet, 400, "InUseSubnetCannotBeDeleted")
	w.Want(apptest.Request{Method: "PUT", URL: vnet, Body: networkBody}, 400, "InUseSubnetCannotBeDeleted")
	w.Want(apptest.Request{Method: "PUT", URL: frontend, Body: subnetBody("10.0.9.0/24")}, 400, "InUsePrefixCannotBeDeleted")
	w.Put(frontend, `{"properties":{"addressPrefixes":["10.0.1.0/24","10.0.9.0/24"]}}`, 200)
	remove(w, gateway, 200, "")
	if got := w.Do(apptest.Request{Method: "DELETE", URL: cluster}); got.Status >= 300 {
		t.Fatalf("deleting the cluster: got %d %s", got.Status, got.Body)
	}
	for _, id := range []string{frontend, nodes, address, vnet} {
		remove(w, id, 200, "")
		w.Want(apptest.Request{URL: id}, 404, "")
		remove(w, id, 204, "")
	}
}

func TestGroupGoesWithAllOfIt(t *testing.T) {
	w := startGateway(t)
	group := provider + "networkSecurityGroups/nsg"
	w.Put(group, `{`+at+`,"properties":{}}`, 201)
	w.Put(nodes, `{"properties":{"addressPrefix":"10.0.0.0/24","networkSecurityGroup":{"id":"`+group+`"}}}`, 200)
	if got := w.Do(apptest.Request{Method: "DELETE", URL: apptest.Group}); got.Status >= 300 {
		t.Fatalf("deleting the group: got %d %s", got.Status, got.Body)
	}
	w.Want(apptest.Request{URL: apptest.Group}, 404, "ResourceGroupNotFound")
}

func TestPublicAddresses(t *testing.T) {
	w := apptest.New(t, nil)
	first := w.Put(address, addressBody, 201)
	wants(t, "address", get(w, address), map[string]string{
		"properties.ipAddress": "192.0.2.1", "sku.name": "Standard", "sku.tier": "Regional", "zones": `["1","2","3"]`,
		"properties.publicIPAllocationMethod": "Static", "properties.idleTimeoutInMinutes": "4", "properties.provisioningState": "Succeeded",
	})
	w.Put(address, first.Body, 200)
	wants(t, "after an update", get(w, address), map[string]string{"properties.ipAddress": "192.0.2.1", "properties.resourceGuid": first.Get("properties.resourceGuid")})
	second := provider + "publicIPAddresses/pip2"
	wants(t, "second", w.Put(second, addressBody, 201), map[string]string{"properties.ipAddress": "192.0.2.2"})
	remove(w, address, 200, "")
	wants(t, "again", w.Put(address, addressBody, 201), map[string]string{"properties.ipAddress": "192.0.2.1"})
	wants(t, "version 6", w.Put(provider+"publicIPAddresses/six", strings.Replace(addressBody, "IPv4", "IPv6", 1), 201), map[string]string{"properties.ipAddress": "2001:db8::1"})
	wants(t, "dynamic", w.Put(provider+"publicIPAddresses/dyn", `{`+at+`}`, 201), map[string]string{"properties.ipAddress": "", "sku.name": "Basic"})
	for name, c := range map[string]struct{ body, code string }{
		"standard_dynamic": {strings.Replace(addressBody, "Static", "Dynamic", 1), "StandardSkuPublicIPAddressesMustBeStatic"},
		"version":          {strings.Replace(addressBody, "IPv4", "IPv5", 1), "InvalidRequestFormat"},
		"version_changes":  {strings.Replace(addressBody, "IPv4", "IPv6", 1), "PropertyChangeNotAllowed"},
		"sku":              {strings.Replace(addressBody, "Standard", "Golden", 1), "InvalidRequestFormat"},
		"label":            {strings.Replace(addressBody, `"properties":{`, `"properties":{"dnsSettings":{"domainNameLabel":"-"},`, 1), "InvalidDomainNameLabel"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.Want(apptest.Request{Method: "PUT", URL: address, Body: c.body}, 400, c.code)
		})
	}
}

func TestDomainLabels(t *testing.T) {
	w := apptest.New(t, nil)
	free := func(label, want string) {
		t.Helper()
		got := w.Want(apptest.Request{URL: apptest.Subscription + "/providers/Microsoft.Network/locations/westeurope/CheckDnsNameAvailability?domainNameLabel=" + label}, 200, "")
		wants(t, label, got, map[string]string{"available": want})
	}
	labelled := strings.Replace(addressBody, `"properties":{`, `"properties":{"dnsSettings":{"domainNameLabel":"front"},`, 1)
	free("front", "true")
	wants(t, "labelled", w.Put(address, labelled, 201), map[string]string{"properties.dnsSettings.fqdn": "front.westeurope.cloudapp.azure.com"})
	free("front", "false")
	w.Put(address, labelled, 200)
	w.Want(apptest.Request{Method: "PUT", URL: address + "2", Body: labelled}, 409, "DnsRecordInUse")
	w.Put(address, addressBody, 200)
	free("front", "true")
	w.Put(address+"2", labelled, 201)
	remove(w, address+"2", 200, "")
	free("front", "true")
	ip := func(address string) apptest.Response {
		return w.Want(apptest.Request{URL: vnet + "/CheckIPAddressAvailability?ipAddress=" + address}, 200, "")
	}
	w.Want(apptest.Request{URL: vnet + "/CheckIPAddressAvailability?ipAddress=10.0.0.9"}, 404, "ResourceNotFound")
	w.Put(vnet, networkBody, 201)
	w.Put(nodes, subnetBody("10.0.0.0/24"), 201)
	wants(t, "free", ip("10.0.0.9"), map[string]string{"available": "true"})
	wants(t, "reserved", ip("10.0.0.255"), map[string]string{"available": "false", "isPlatformReserved": "true", "availableIPAddresses.0": "10.0.0.4"})
	wants(t, "elsewhere", ip("10.9.0.9"), map[string]string{"available": "false", "isPlatformReserved": "false"})
}

func TestRulesAndRoutes(t *testing.T) {
	w := start(t)
	group, table, nat := provider+"networkSecurityGroups/nsg", provider+"routeTables/rt", provider+"natGateways/nat"
	rule := func(priority int, direction string) string {
		return fmt.Sprintf(`{"name":"ssh","properties":{"priority":%d,"direction":%q,"access":"Deny","protocol":"tcp","sourceAddressPrefix":"*","sourcePortRange":"*","destinationAddressPrefix":"*","destinationPortRange":"22"}}`, priority, direction)
	}
	w.Put(group, `{`+at+`,"properties":{"securityRules":[`+rule(100, "Inbound")+`]}}`, 201)
	w.Put(group+"/securityRules/more", rule(100, "Outbound"), 201)
	wants(t, "group", get(w, group), map[string]string{
		"properties.securityRules.0.id": group + "/securityRules/ssh", "properties.securityRules.0.properties.protocol": "Tcp",
		"properties.securityRules.1.name": "more", "properties.defaultSecurityRules.5.name": "DenyAllOutBound",
	})
	w.Want(apptest.Request{Method: "PUT", URL: group + "/securityRules/third", Body: rule(100, "Inbound")}, 400, "SecurityRuleConflict")
	w.Want(apptest.Request{Method: "PUT", URL: group + "/securityRules/third", Body: rule(99, "Inbound")}, 400, "SecurityRuleInvalid")
	w.Want(apptest.Request{Method: "PUT", URL: group + "/securityRules/third", Body: rule(200, "Sideways")}, 400, "SecurityRuleInvalid")
	route := `{"name":"out","properties":{"addressPrefix":"0.0.0.0/0","nextHopType":"VirtualAppliance","nextHopIpAddress":"10.0.0.9"}}`
	w.Put(table, `{`+at+`,"properties":{"routes":[`+route+`]}}`, 201)
	w.Put(table+"/routes/tag", `{"properties":{"addressPrefix":"AzureCloud","nextHopType":"Internet"}}`, 201)
	wants(t, "routes", w.Want(apptest.Request{URL: table + "/routes"}, 200, ""), map[string]string{"value.1.name": "tag", "value.0.properties.nextHopIpAddress": "10.0.0.9"})
	w.Want(apptest.Request{Method: "PUT", URL: table + "/routes/x", Body: `{"properties":{"addressPrefix":"0.0.0.0/0","nextHopType":"VirtualAppliance"}}`}, 400, "InvalidRoute")
	w.Want(apptest.Request{Method: "PUT", URL: table + "/routes/x", Body: `{"properties":{"addressPrefix":"0.0.0.0/0","nextHopType":"Teleport"}}`}, 400, "InvalidRoute")
	w.Put(address, addressBody, 201)
	w.Put(nat, `{`+at+`,"sku":{"name":"Standard"},"properties":{"publicIpAddresses":[{"id":"`+address+`"}]}}`, 201)
	wants(t, "address", get(w, address), map[string]string{"properties.natGateway.id": nat})
	joined := `{"properties":{"addressPrefix":"10.0.0.0/24","networkSecurityGroup":{"id":"` + group + `"},"routeTable":{"id":"` + table + `"},"natGateway":{"id":"` + nat + `"}}}`
	w.Put(nodes, joined, 200)
	for id, code := range map[string]string{group: "InUseNetworkSecurityGroupCannotBeDeleted", table: "InUseRouteTableCannotBeDeleted", nat: "NatGatewayInUseCannotBeDeleted", address: "PublicIPAddressCannotBeDeleted"} {
		remove(w, id, 400, code)
		if id != address {
			wants(t, id, get(w, id), map[string]string{"properties.subnets": `[{"id":"` + nodes + `"}]`})
		}
	}
	w.Put(nodes, subnetBody("10.0.0.0/24"), 200) // an association ends by being left out
	for _, id := range []string{group + "/securityRules/more", table + "/routes/tag", group, table, nat, address} {
		remove(w, id, 200, "")
	}
}

func TestSubnetsListAndWritersAtOnce(t *testing.T) {
	w := start(t)
	wants(t, "list", w.Want(apptest.Request{URL: vnet + "/subnets"}, 200, ""), map[string]string{"value.0.name": "agw", "value.1.name": "aks", "value.2": ""})
	tag := get(w, nodes).Header.Get("ETag")
	w.Put(frontend, subnetBody("10.0.1.0/24"), 200)
	w.Want(apptest.Request{Method: "PUT", URL: nodes, Body: subnetBody("10.0.0.0/24"), Header: map[string]string{"If-Match": tag}}, 412, "PreconditionFailed")
	done := make(chan apptest.Response)
	for i := range 8 {
		go func() {
			done <- w.Do(apptest.Request{Method: "PUT", URL: fmt.Sprintf("%s/subnets/s%d", vnet, i), Body: subnetBody(fmt.Sprintf("10.0.%d.0/24", 20+i/2))})
		}()
	}
	count := map[int]int{}
	for range 8 {
		count[(<-done).Status]++
	}
	if count[201] != 4 || count[400] != 4 {
		t.Errorf("eight writers of four ranges: got %v, want four created and four refused", count)
	}
}
