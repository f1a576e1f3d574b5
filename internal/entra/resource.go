package entra

import (
	"context"
	"errors"
	"strings"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
)

// resource is what a token is for.
type resource struct {
	audience string  // aud: as asked for, or the client id of an application
	asked    string  // as asked for
	version  version // of the tokens that the resource wants
}

// azureResources are the identifiers of Azure's own services, lower case and
// without trailing slash, with the client ids under which they can be asked for.
var azureResources = map[string]bool{
	"https://management.azure.com":         true,
	"https://management.core.windows.net":  true,
	"797f4846-ba00-4fd7-ba43-dac1f8f63013": true, // Resource Manager
	"https://vault.azure.net":              true,
	"cfa8b339-82a2-471a-a3c9-0fc0be7a4093": true, // Key Vault
	"https://storage.azure.com":            true,
	"e406a681-f3d4-42a8-90b6-c2b029497af1": true, // Storage
	"https://azconfig.io":                  true,
	"https://appconfig.azure.com":          true,
	"35ffadb3-7fc1-497e-b61b-381d28e744cc": true, // App Configuration
	"https://graph.microsoft.com":          true,
	"00000003-0000-0000-c000-000000000000": true, // Microsoft Graph
}

// accountSuffixes are the hosts below which each account is a resource of its own.
var accountSuffixes = [...]string{".blob.core.windows.net", ".queue.core.windows.net", ".azconfig.io"}

// parseScope finds the resource in a v2 scope: one RESOURCE/.default beside the
// words of OpenID Connect, which Go's MSAL always sends. Only the final
// /.default is cut, so that a doubled slash stays part of the resource.
func parseScope(scope string) (string, error) {
	var wanted string
	for _, word := range strings.Fields(scope) {
		switch word {
		case "openid", "profile", "email", "offline_access":
			continue
		}
		if wanted != "" {
			return "", manyScopes.New(clip(scope))
		}
		wanted = word
	}
	asked, ok := strings.CutSuffix(wanted, "/.default")
	if !ok || asked == "" {
		return "", badScope.New(clip(scope))
	}
	return asked, nil
}

// resource finds who the asked-for resource is, or refuses.
func (s *TokenService) resource(ctx context.Context, tenant directory.Tenant, asked string) (resource, error) {
	if isAzureResource(asked) {
		return resource{audience: asked, asked: asked, version: version1}, nil
	}
	appID := strings.TrimPrefix(asked, "api://")
	if chain.IsGUID(appID) {
		application, err := s.options.Directory.ByAppID(ctx, tenant.ID, appID)
		switch {
		case err == nil && application.Disabled:
			return resource{}, disabledResource.New(clip(asked))
		case err == nil && application.Type == directory.TypeApplication:
			return resource{audience: application.AppID, asked: asked, version: version2}, nil
		case err != nil && !errors.Is(err, directory.ErrPrincipalNotFound):
			return resource{}, err
		}
	}
	return resource{}, unknownResource.New(clip(asked), displayName(tenant))
}

func isAzureResource(asked string) bool {
	name := strings.ToLower(strings.TrimSuffix(asked, "/"))
	if azureResources[name] {
		return true
	}
	host, ok := strings.CutPrefix(name, "https://")
	if !ok {
		return false
	}
	for _, suffix := range accountSuffixes {
		if account, ok := strings.CutSuffix(host, suffix); ok {
			return isAccount(account)
		}
	}
	return false
}

// isAccount reports whether a label can name a storage account or a
// configuration store: 3 to 50 letters, digits and inner hyphens.
func isAccount(label string) bool {
	if len(label) < 3 || len(label) > 50 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// displayName is how a text names a tenant.
func displayName(tenant directory.Tenant) string {
	if tenant.DisplayName != "" {
		return tenant.DisplayName
	}
	return tenant.ID
}
