package storageaccount

import (
	"strings"

	"github.com/aksess/aksess/internal/arm"
)

// complete fills what Azure computes or assumes
// (https://learn.microsoft.com/rest/api/storagerp/storage-accounts/get-properties).
func complete(members map[string]any, r *arm.Resource, sku string) {
	members["primaryEndpoints"] = endpoints(r, "")
	members["primaryLocation"] = r.Location
	members["statusOfPrimary"] = "available"
	members["privateEndpointConnections"] = []any{}
	replicate(members, r, sku)
	assume(members, map[string]any{
		"allowBlobPublicAccess":    false,
		"minimumTlsVersion":        "TLS1_2",
		"networkAcls":              map[string]any{},
		"encryption":               map[string]any{},
		"supportsHttpsTrafficOnly": true,
	})
	switch r.Kind {
	case "StorageV2", "BlobStorage": // the others have no tiers
		assume(members, map[string]any{"accessTier": "Hot"})
	}
	if rules, ok := members["networkAcls"].(map[string]any); ok {
		assume(rules, map[string]any{
			"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": []any{}, "virtualNetworkRules": []any{}, "resourceAccessRules": []any{},
		})
	}
	if encryption, ok := members["encryption"].(map[string]any); ok {
		encrypt(encryption, members["creationTime"])
	}
}

// assume sets the members that are not there.
func assume(members, values map[string]any) {
	for name, value := range values {
		if members[name] == nil {
			members[name] = value
		}
	}
}

// encrypt fills the services that are always encrypted beside those that were named.
func encrypt(encryption map[string]any, since any) {
	assume(encryption, map[string]any{"keySource": "Microsoft.Storage", "services": map[string]any{}})
	services, ok := encryption["services"].(map[string]any)
	if !ok {
		return
	}
	assume(services, map[string]any{"blob": map[string]any{}, "file": map[string]any{}})
	for _, service := range services {
		if service, ok := service.(map[string]any); ok {
			assume(service, map[string]any{"enabled": true, "keyType": "Account", "lastEnabledTime": since})
		}
	}
}

// endpoints are the hosts of an account. Its secondary ones have no files.
func endpoints(r *arm.Resource, secondary string) map[string]string {
	host := "https://" + strings.ToLower(r.Name) + secondary + "."
	all := map[string]string{"web": host + "z6.web.core.windows.net/"}
	for _, service := range []string{"blob", "queue", "table", "file", "dfs"} {
		if service != "file" || secondary == "" {
			all[service] = host + service + ".core.windows.net/"
		}
	}
	return all
}

// replicate says where the copies of a geo-redundant account are, and how they
// are read where they can be.
func replicate(members map[string]any, r *arm.Resource, sku string) {
	for _, name := range []string{"secondaryLocation", "statusOfSecondary", "secondaryEndpoints"} {
		delete(members, name) // the SKU may have changed
	}
	pair := paired(r.Location)
	if pair == "" {
		return
	}
	switch sku {
	case "Standard_RAGRS", "Standard_RAGZRS":
		members["secondaryEndpoints"] = endpoints(r, "-secondary")
		fallthrough
	case "Standard_GRS", "Standard_GZRS":
		members["secondaryLocation"], members["statusOfSecondary"] = pair, "available"
	}
}

// paired is the region that copies of a region's accounts are in, "" for none.
func paired(location string) string {
	for _, known := range arm.Locations() {
		if known.Name == location {
			return known.Paired
		}
	}
	return ""
}
