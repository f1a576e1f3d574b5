package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
)

// instances answers instance discovery: which hosts are one cloud.
type instances struct {
	TenantDiscovery string     `json:"tenant_discovery_endpoint"`
	Version         string     `json:"api-version"`
	Metadata        []instance `json:"metadata"`
}

type instance struct {
	Network string   `json:"preferred_network"`
	Cache   string   `json:"preferred_cache"`
	Aliases []string `json:"aliases"`
}

// discoverInstance tells a client whether the authority it was configured with
// belongs to this cloud. A client that reads invalid_instance gives up.
func (s *TokenService) discoverInstance(w http.ResponseWriter, r *azapi.Request) error {
	endpoint, err := url.Parse(r.Query("authorization_endpoint"))
	if err != nil || endpoint.Scheme != "https" || !slices.Contains(aliases[:], strings.ToLower(endpoint.Host)) {
		return unknownInstance.New()
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(endpoint.Path, "/"), "/")
	if !isTenantName(name) && !isShared(name) {
		return badTenantName.New(clip(name))
	}
	discovery := authority + "/" + name
	if strings.HasPrefix(rest, "oauth2/v2.0/") {
		discovery += "/v2.0"
	}
	return azapi.WriteJSON(w, http.StatusOK, instances{
		TenantDiscovery: discovery + "/.well-known/openid-configuration",
		Version:         "1.1",
		Metadata: []instance{{
			Network: "login.microsoftonline.com", Cache: "login.windows.net", Aliases: aliases[:],
		}},
	})
}

// isShared reports whether a path names no tenant but a class of accounts.
func isShared(name string) bool {
	return name == "common" || name == "organizations" || name == "consumers"
}

func isTenantName(name string) bool { return chain.IsGUID(name) || chain.IsDomain(name) }

// consumersTenant is the tenant of personal accounts.
const consumersTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"

// configuration is the discovery document (OpenID Connect Discovery 1.0,
// section 3, with Entra's additions).
type configuration struct {
	TokenEndpoint          string   `json:"token_endpoint"`
	TokenAuthMethods       []string `json:"token_endpoint_auth_methods_supported"`
	JWKSURI                string   `json:"jwks_uri"`
	ResponseModes          []string `json:"response_modes_supported"`
	SubjectTypes           []string `json:"subject_types_supported"`
	SigningAlgs            []string `json:"id_token_signing_alg_values_supported"`
	ResponseTypes          []string `json:"response_types_supported"`
	Scopes                 []string `json:"scopes_supported"`
	Issuer                 string   `json:"issuer"`
	RequestURI             bool     `json:"request_uri_parameter_supported"`
	UserinfoEndpoint       string   `json:"userinfo_endpoint"`
	AuthorizationEndpoint  string   `json:"authorization_endpoint"`
	DeviceEndpoint         string   `json:"device_authorization_endpoint"`
	HTTPLogout             bool     `json:"http_logout_supported"`
	FrontchannelLogout     bool     `json:"frontchannel_logout_supported"`
	EndSessionEndpoint     string   `json:"end_session_endpoint"`
	Claims                 []string `json:"claims_supported"`
	TenantRegionScope      *string  `json:"tenant_region_scope"`
	CloudInstanceName      string   `json:"cloud_instance_name"`
	CloudGraphHostName     string   `json:"cloud_graph_host_name"`
	MicrosoftGraphHostName string   `json:"msgraph_host"`
}

// configuration serves the discovery document of one version of the endpoints.
// A tenant that does not exist is refused here already, as in Azure.
func (s *TokenService) configuration(v version) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) error {
		name := r.Param("tenant")
		if isShared(name) {
			return azapi.WriteJSON(w, http.StatusOK, newConfiguration(v, name, sharedTenant(name)))
		}
		tenant, err := s.tenant(r.Context(), name)
		if err != nil {
			return err
		}
		return azapi.WriteJSON(w, http.StatusOK, newConfiguration(v, tenant.ID, tenant.ID))
	}
}

// sharedTenant is what stands for the tenant in the issuer of a shared document.
func sharedTenant(name string) string {
	if name == "consumers" {
		return consumersTenant
	}
	return "{tenantid}"
}

func newConfiguration(v version, name, tenantID string) configuration {
	base, oauth := authority+"/"+name, authority+"/"+name+"/oauth2"
	document := configuration{
		JWKSURI:            authority + "/common/discovery/keys",
		Issuer:             issuerOf(v, tenantID),
		UserinfoEndpoint:   base + "/openid/userinfo",
		TokenAuthMethods:   []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		ResponseModes:      []string{"query", "fragment", "form_post"},
		SubjectTypes:       []string{"pairwise"},
		SigningAlgs:        []string{string(jose.RS256)},
		ResponseTypes:      []string{"code", "id_token", "code id_token", "id_token token"},
		Scopes:             []string{"openid", "profile", "email", "offline_access"},
		HTTPLogout:         true,
		FrontchannelLogout: true,
		Claims: []string{
			"sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host",
			"aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email",
		},
		CloudInstanceName:      "microsoftonline.com",
		CloudGraphHostName:     "graph.windows.net",
		MicrosoftGraphHostName: "graph.microsoft.com",
	}
	if v == version2 {
		oauth += "/v2.0"
		document.JWKSURI = base + "/discovery/v2.0/keys"
		document.UserinfoEndpoint = "https://graph.microsoft.com/oidc/userinfo"
	}
	document.TokenEndpoint = oauth + "/token"
	document.AuthorizationEndpoint = oauth + "/authorize"
	document.DeviceEndpoint = oauth + "/devicecode"
	document.EndSessionEndpoint = oauth + "/logout"
	if !isShared(name) {
		region := "WW"
		document.TenantRegionScope = &region
	}
	return document
}

// issuerOf is the iss of a tenant's tokens of one version.
func issuerOf(v version, tenantID string) string {
	if v == version1 {
		return "https://sts.windows.net/" + tenantID + "/"
	}
	return authority + "/" + tenantID + "/v2.0"
}

// keys serves the public keys. The first request of a new state folder waits
// until the first two keys are made.
func (s *TokenService) keys(v version) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) error {
		owner := ""
		if name := r.Param("tenant"); isShared(name) {
			owner = issuerOf(v, sharedTenant(name))
		} else {
			tenant, err := s.tenant(r.Context(), name)
			if err != nil {
				return err
			}
			owner = issuerOf(v, tenant.ID)
		}
		document, err := s.publish(r, v, owner)
		if err != nil {
			return err
		}
		w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d, private", int(keyCacheAge.Seconds())))
		w.Header().Del("Pragma")
		return azapi.WriteJSON(w, http.StatusOK, json.RawMessage(document))
	}
}

func (s *TokenService) publish(r *azapi.Request, v version, owner string) ([]byte, error) {
	var keys []*issuer.Key
	for {
		var err error
		if keys, err = s.ring.Published(r.Context()); err != nil {
			return nil, err
		}
		if len(keys) >= 2 {
			break
		}
		if err := s.ring.Ensure(r.Context()); err != nil {
			return nil, err
		}
	}
	published := make([]jose.PublishedKey, len(keys))
	for i, key := range keys {
		published[i] = jose.PublishedKey{Key: key.Public(), Certificate: key.Certificate}
		if v == version2 {
			published[i].Issuer, published[i].CloudInstance = owner, "microsoftonline.com"
		}
	}
	return jose.MarshalJWKS(published...)
}
