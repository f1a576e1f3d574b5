package entra

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/jose"
)

// metadata decodes a discovery document, refusing members that are not declared.
func metadata(t *testing.T, got reply) configuration {
	t.Helper()
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
		t.Fatalf("got %d %s: %s", got.status, got.header.Get("Content-Type"), got.body)
	}
	var document configuration
	decoder := json.NewDecoder(strings.NewReader(string(got.body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		t.Fatal(err)
	}
	return document
}

// TestDiscoveryConditions restates OIDCCDiscoveryEndpointVerification of the
// OpenID conformance suite.
func TestDiscoveryConditions(t *testing.T) {
	b := newWorkbench(t, nil)
	for _, test := range []struct{ name, path, issuer, token, keys string }{
		{"v2", "/v2.0", "https://login.microsoftonline.com/" + tenantID + "/v2.0", "/oauth2/v2.0/token", "/" + tenantID + "/discovery/v2.0/keys"},
		{"v1", "", "https://sts.windows.net/" + tenantID + "/", "/oauth2/token", "/common/discovery/keys"},
	} {
		t.Run(test.name, func(t *testing.T) {
			const base = "https://login.microsoftonline.com/" + tenantID
			document := metadata(t, b.get(base+test.path+"/.well-known/openid-configuration?"))
			if document.Issuer != test.issuer {
				t.Errorf("got issuer %q, want %q", document.Issuer, test.issuer)
			}
			for name, endpoint := range map[string]string{
				"token": document.TokenEndpoint, "authorization": document.AuthorizationEndpoint, "keys": document.JWKSURI,
				"device": document.DeviceEndpoint, "userinfo": document.UserinfoEndpoint, "logout": document.EndSessionEndpoint,
			} {
				if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
					t.Errorf("%s endpoint %q is no https URL", name, endpoint)
				}
			}
			if document.TokenEndpoint != base+test.token || document.JWKSURI != authority+test.keys {
				t.Errorf("got %s and %s", document.TokenEndpoint, document.JWKSURI)
			}
			for name, list := range map[string][]string{
				"response types": document.ResponseTypes, "subject types": document.SubjectTypes, "scopes": document.Scopes,
				"auth methods": document.TokenAuthMethods, "claims": document.Claims,
			} {
				if len(list) == 0 {
					t.Errorf("no %s", name)
				}
			}
			if !slices.Contains(document.SigningAlgs, "RS256") || !slices.Contains(document.TokenAuthMethods, "private_key_jwt") {
				t.Errorf("got algorithms %v, methods %v", document.SigningAlgs, document.TokenAuthMethods)
			}
			keys := b.get(document.JWKSURI)
			if set, err := jose.ParseJWKS(keys.body); err != nil || set.Len() < 2 || len(set.Ignored()) != 0 {
				t.Errorf("got %d keys, %v, %v, want at least two usable ones", set.Len(), set.Ignored(), err)
			}
			checkNoPrivateKeys(t, keys)
		})
	}
}

// checkNoPrivateKeys restates EnsureServerJwksDoesNotContainPrivateOrSymmetricKeys.
func checkNoPrivateKeys(t *testing.T, got reply) {
	t.Helper()
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(got.body, &set); err != nil {
		t.Fatal(err)
	}
	for _, key := range set.Keys {
		for member := range key {
			if !slices.Contains([]string{"kty", "use", "kid", "x5t", "n", "e", "x5c", "alg", "issuer", "cloud_instance_name"}, member) {
				t.Errorf("a published key has the member %s", member)
			}
		}
	}
	if cache := got.header.Get("Cache-Control"); cache != "max-age=86400, private" {
		t.Errorf("got Cache-Control %q", cache)
	}
}

func TestSharedConfigurations(t *testing.T) {
	b := newWorkbench(t, nil)
	for name, want := range map[string]string{
		"common": "https://login.microsoftonline.com/{tenantid}/v2.0", "organizations": "https://login.microsoftonline.com/{tenantid}/v2.0",
		"consumers": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
	} {
		document := metadata(t, b.get("https://login.microsoftonline.com/"+name+"/v2.0/.well-known/openid-configuration"))
		if document.Issuer != want || document.TokenEndpoint != authority+"/"+name+"/oauth2/v2.0/token" || document.TenantRegionScope != nil {
			t.Errorf("%s: got issuer %q, token endpoint %q", name, document.Issuer, document.TokenEndpoint)
		}
		if got := b.get(document.JWKSURI); got.status != 200 {
			t.Errorf("%s: got %d from %s", name, got.status, document.JWKSURI)
		}
	}
	domain := metadata(t, b.get("https://login.windows.net/"+tenantDomain+"/v2.0/.well-known/openid-configuration"))
	if domain.Issuer != issuerOf(version2, tenantID) || domain.TokenEndpoint != tokenURL {
		t.Errorf("got issuer %q, token endpoint %q, want those of the tenant's id", domain.Issuer, domain.TokenEndpoint)
	}
}

func TestInstanceDiscovery(t *testing.T) {
	b := newWorkbench(t, nil)
	tests := []struct{ name, endpoint, want, code string }{
		{"v2", "https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/authorize", "/" + tenantID + "/v2.0/.well-known/openid-configuration", ""},
		{"v1", "https://login.microsoftonline.com/common/oauth2/authorize", "/common/.well-known/openid-configuration", ""},
		{"alias", "https://STS.windows.net/contoso.com/oauth2/v2.0/authorize", "/contoso.com/v2.0/.well-known/openid-configuration", ""},
		{"other_host", "https://login.example.test/common/oauth2/v2.0/authorize", "", "AADSTS50049"},
		{"port", "https://login.microsoftonline.com:8443/common/oauth2/v2.0/authorize", "", "AADSTS50049"},
		{"suffix", "https://login.microsoftonline.com.evil.example/common/oauth2/authorize", "", "AADSTS50049"},
		{"user", "https://login.microsoftonline.com@evil.example/common/oauth2/authorize", "", "AADSTS50049"},
		{"http", "http://login.microsoftonline.com/common/oauth2/authorize", "", "AADSTS50049"},
		{"none", "", "", "AADSTS50049"},
		{"bad_tenant", "https://login.microsoftonline.com/a%0d%0ab/oauth2/authorize", "", "AADSTS900023"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := b.get("https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint=" + url.QueryEscape(test.endpoint))
			if test.code != "" {
				wantCode(t, got, test.code)
				return
			}
			var found instances
			if err := json.Unmarshal(got.body, &found); err != nil {
				t.Fatal(err)
			}
			if found.TenantDiscovery != authority+test.want || found.Version != "1.1" || len(found.Metadata) != 1 || !slices.Equal(found.Metadata[0].Aliases, aliases[:]) {
				t.Errorf("got %s", got.body)
			}
		})
	}
}

// TestUnescapedInstanceDiscovery: JS does not percent-encode the endpoint.
func TestUnescapedInstanceDiscovery(t *testing.T) {
	b := newWorkbench(t, nil)
	got := b.get("https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/authorize")
	if got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// TestDocumentMembers pins the names that clients read.
func TestDocumentMembers(t *testing.T) {
	b := newWorkbench(t, nil)
	var members map[string]any
	if err := json.Unmarshal(b.get("https://login.microsoftonline.com/"+tenantID+"/v2.0/.well-known/openid-configuration").body, &members); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"authorization_endpoint", "claims_supported", "cloud_graph_host_name", "cloud_instance_name", "device_authorization_endpoint", "end_session_endpoint",
		"frontchannel_logout_supported", "http_logout_supported", "id_token_signing_alg_values_supported", "issuer", "jwks_uri", "msgraph_host",
		"request_uri_parameter_supported", "response_modes_supported", "response_types_supported", "scopes_supported", "subject_types_supported",
		"tenant_region_scope", "token_endpoint", "token_endpoint_auth_methods_supported", "userinfo_endpoint",
	}
	if got := slices.Sorted(maps.Keys(members)); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestKeysByTenant(t *testing.T) {
	b := newWorkbench(t, nil)
	for path, want := range map[string]int{
		"/" + tenantDomain + "/discovery/keys": 200, "/" + tenantID + "/discovery/v2.0/keys": 200, "/consumers/discovery/v2.0/keys": 200,
		"/nobody.example/discovery/keys": 400, "/nobody/discovery/v2.0/keys": 400,
	} {
		if got := b.get(authority + path); got.status != want {
			t.Errorf("%s: got %d, want %d", path, got.status, want)
		}
	}
	var set struct {
		Keys []struct {
			Issuer string
			Cloud  string `json:"cloud_instance_name"`
		}
	}
	if err := json.Unmarshal(b.get(authority+"/"+tenantID+"/discovery/v2.0/keys").body, &set); err != nil {
		t.Fatal(err)
	}
	for _, key := range set.Keys {
		if key.Issuer != issuerOf(version2, tenantID) || key.Cloud != "microsoftonline.com" {
			t.Errorf("got %+v", key)
		}
	}
}
