package containerservice_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/store"
)

const (
	clusters = apptest.Group + "/providers/Microsoft.ContainerService/managedClusters"
	cluster  = clusters + "/blue"
	nobody   = "nobody"
)

func body(more map[string]any) map[string]any {
	properties := map[string]any{"dnsPrefix": "Blue", "oidcIssuerProfile": map[string]any{"enabled": true}}
	for name, value := range more {
		properties[name] = value
	}
	return map[string]any{"location": "West Europe", "identity": map[string]any{"type": "SystemAssigned"}, "properties": properties}
}

// kubeconfig is as much of one as a client needs.
type kubeconfig struct {
	CurrentContext string `json:"current-context"`
	Clusters       []struct {
		Cluster struct {
			Server string
			CA     []byte `json:"certificate-authority-data"`
		}
	}
	Users []struct{ User struct{ Token string } }
}

func admin(t testing.TB, w *apptest.World, id, credential string) kubeconfig {
	t.Helper()
	got := w.Want(apptest.Request{Method: "POST", URL: id + "/" + credential}, 200, "")
	return read(t, got.Get("kubeconfigs.0.value"))
}

func read(t testing.TB, encoded string) kubeconfig {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	var config kubeconfig
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	return config
}

// at is a request to the API server with the administrator's token.
func (k kubeconfig) at(method, path string, body any) apptest.Request {
	return apptest.Request{
		Method: method, URL: strings.TrimPrefix(k.Clusters[0].Cluster.Server, "https://") + path, As: "-", Body: body,
		Header: map[string]string{"Authorization": "Bearer " + k.Users[0].User.Token},
	}
}

func tokenRequest(spec map[string]any) map[string]any {
	return map[string]any{"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec}
}

func TestCluster(t *testing.T) {
	w := apptest.New(t, nil)
	w.Want(apptest.Request{URL: cluster}, 404, "ResourceNotFound")
	created := w.Put(cluster, body(map[string]any{"agentPoolProfiles": []any{map[string]any{"name": "linux", "count": 1}}}), 201)
	if created.Get("location") != "westeurope" || created.Get("identity.principalId") == "" || created.Get("identity.tenantId") != apptest.TenantID {
		t.Errorf("created: got %s", created.Body)
	}
	for member, want := range map[string]string{
		"fqdn":                                       `^blue-[0-9a-f]{8}\.hcp\.westeurope\.azmk8s\.io$`,
		"oidcIssuerProfile.issuerURL":                `^https://westeurope\.oic\.prod-aks\.azure\.com/` + apptest.TenantID + `/[0-9a-f-]{36}/$`,
		"nodeResourceGroup":                          `^MC_rg_blue_westeurope$`,
		"provisioningState":                          `^Succeeded$`,
		"kubernetesVersion":                          `^1\.\d+\.\d+$`,
		"agentPoolProfiles.0.provisioningState":      `^Succeeded$`,
		"agentPoolProfiles.0.count":                  `^1$`,
		"identityProfile.kubeletidentity.resourceId": `/resourceGroups/MC_rg_blue_westeurope/providers/Microsoft.ManagedIdentity/userAssignedIdentities/blue-agentpool$`,
	} {
		if got := created.Get("properties." + member); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: got %q, want %s", member, got, want)
		}
	}
	if strings.Contains(created.Body, "oken") {
		t.Errorf("a cluster shows its token: %s", created.Body)
	}
	before := admin(t, w, cluster, "listClusterAdminCredential")
	w.Advance(time.Hour)
	for name, request := range map[string]apptest.Request{
		"get":             {URL: cluster},
		"put":             {Method: "PUT", URL: cluster, Body: body(nil)},
		"put_without":     {Method: "PUT", URL: cluster, Body: `{"location":"westeurope","properties":{"dnsPrefix":"Blue"}}`},
		"put_another_url": {Method: "PUT", URL: cluster, Body: body(map[string]any{"oidcIssuerProfile": map[string]any{"enabled": true, "issuerURL": "https://evil.example/"}})},
		"patch":           {Method: "PATCH", URL: cluster, Body: `{"tags":{"a":"b"}}`},
	} {
		got := w.Want(request, 200, "")
		for _, member := range []string{"properties.oidcIssuerProfile", "properties.fqdn", "properties.identityProfile", "identity.principalId"} {
			if got.Get(member) != created.Get(member) {
				t.Errorf("%s after %s: got %s, want %s", member, name, got.Get(member), created.Get(member))
			}
		}
	}
	if after := admin(t, w, cluster, "listClusterUserCredential"); after.Users[0].User.Token != before.Users[0].User.Token || after.Clusters[0].Cluster.Server != before.Clusters[0].Cluster.Server {
		t.Errorf("the credential changed with an update")
	}
	if got := w.Want(apptest.Request{URL: apptest.Subscription + "/providers/Microsoft.ContainerService/managedClusters"}, 200, ""); got.Get("value.0.name") != "blue" || got.Get("value.1") != "" {
		t.Errorf("list: got %s", got.Body)
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		w.Want(apptest.Request{Method: method, URL: cluster, As: nobody, Body: `{}`}, 403, "AuthorizationFailed")
	}
	w.Want(apptest.Request{URL: cluster, Audience: "https://vault.azure.net"}, 401, "")
	w.Want(apptest.Request{Method: "POST", URL: cluster + "/listClusterAdminCredential", As: nobody}, 403, "AuthorizationFailed")
	w.Want(apptest.Request{Method: "PATCH", URL: cluster, Body: `{"properties":{"disableLocalAccounts":true}}`}, 400, "InvalidRequestContent")
	w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: body(map[string]any{"disableLocalAccounts": true})}, 200, "")
	w.Want(apptest.Request{Method: "POST", URL: cluster + "/listClusterAdminCredential"}, 400, "GetCredentialNotAllowed")
}

func TestIssuerIsShownWhenEnabled(t *testing.T) {
	w := apptest.New(t, nil)
	off := map[string]any{"oidcIssuerProfile": map[string]any{"enabled": false, "issuerURL": "https://evil.example/"}}
	if got := w.Put(cluster, body(off), 201); got.Get("properties.oidcIssuerProfile") != `{"enabled":false}` {
		t.Errorf("disabled: got %s", got.Body)
	}
	if got := w.Put(clusters+"/none", body(map[string]any{"oidcIssuerProfile": nil}), 201); got.Get("properties.oidcIssuerProfile") != "" {
		t.Errorf("without profile: got %s", got.Body)
	}
	enabled := w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: body(nil)}, 200, "")
	if !strings.HasPrefix(enabled.Get("properties.oidcIssuerProfile.issuerURL"), "https://westeurope.oic.") {
		t.Errorf("enabled: got %s", enabled.Body)
	}
	w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: body(off)}, 400, "OIDCIssuerFeatureCannotBeDisabled")
	w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: body(map[string]any{"oidcIssuerProfile": nil})}, 400, "OIDCIssuerFeatureCannotBeDisabled")
}

func TestClusterValidation(t *testing.T) {
	w := apptest.New(t, nil)
	for name, more := range map[string]map[string]any{
		"no_prefix":      {"dnsPrefix": nil},
		"prefix_of_dots": {"dnsPrefix": "a.b"},
		"long_prefix":    {"dnsPrefix": strings.Repeat("a", 55)},
		"node_group":     {"nodeResourceGroup": strings.Repeat("g", 81)},
		"prefix_number":  {"dnsPrefix": 5},
		"version":        {"kubernetesVersion": "latest"},
		"version_number": {"kubernetesVersion": 1.33},
		"pools":          {"agentPoolProfiles": "one"},
		"profile":        {"oidcIssuerProfile": "on"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: body(more)}, 400, "InvalidParameter")
			if strings.Contains(got.Body, "Go ") || strings.Contains(got.Body, "json:") {
				t.Errorf("the answer tells of the inside: %s", got.Body)
			}
		})
	}
	for _, name := range []string{"-a", "a-", "a.b", strings.Repeat("a", 64)} {
		w.Want(apptest.Request{Method: "PUT", URL: clusters + "/" + name, Body: body(nil)}, 400, "InvalidParameter")
	}
	w.Put(cluster, body(nil), 201)
	w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: body(map[string]any{"dnsPrefix": "other"})}, 409, "PropertyChangeNotAllowed")
}

func TestTokenRequest(t *testing.T) {
	w := apptest.New(t, nil)
	created := w.Put(cluster, body(nil), 201)
	config := admin(t, w, cluster, "listClusterAdminCredential")
	if config.CurrentContext != "blue" || string(config.Clusters[0].Cluster.CA) != "the authority" {
		t.Errorf("kubeconfig: got %+v", config)
	}
	const account = "/api/v1/namespaces/widemo/serviceaccounts/wi-demo-sa"
	got := w.Want(config.at("POST", account+"/token", tokenRequest(map[string]any{"audiences": []string{"api://AzureADTokenExchange"}, "expirationSeconds": 600})), 201, "")
	parts := strings.Split(got.Get("status.token"), ".")
	if len(parts) != 3 || got.Get("kind") != "TokenRequest" || got.Get("status.expirationTimestamp") != "2026-09-01T12:10:00Z" {
		t.Fatalf("got %s", got.Body)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	claims := apptest.Response{Body: string(payload)}
	if claims.Get("iss") != created.Get("properties.oidcIssuerProfile.issuerURL") || claims.Get("sub") != "system:serviceaccount:widemo:wi-demo-sa" || claims.Get("aud.0") != "api://AzureADTokenExchange" {
		t.Errorf("claims: got %s", payload)
	}
	keys := w.Want(apptest.Request{URL: strings.TrimPrefix(claims.Get("iss"), "https://") + "openid/v1/jwks", As: "-"}, 200, "")
	if keys.Get("keys.0.kid") == "" {
		t.Errorf("keys: got %s", keys.Body)
	}
	wrong := config.at("POST", account+"/token", tokenRequest(nil))
	for _, header := range []string{"", "Bearer ", "Bearer x", config.Users[0].User.Token, "Basic " + config.Users[0].User.Token, "Bearer " + config.Users[0].User.Token + "x"} {
		wrong.Header = map[string]string{"Authorization": header}
		if got := w.Want(wrong, 401, ""); got.Body != `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}` {
			t.Errorf("%q: got %s", header, got.Body)
		}
	}
	for _, c := range []struct {
		name, method, path string
		body               any
		status             int
		reason             string
	}{
		{"default_life", "POST", account + "/token", tokenRequest(nil), 201, ""},
		{"no_body", "POST", account + "/token", nil, 400, "BadRequest"},
		{"no_json", "POST", account + "/token", "{", 400, "BadRequest"},
		{"another_kind", "POST", account + "/token", `{"kind":"Pod"}`, 400, "BadRequest"},
		{"huge", "POST", account + "/token", strings.Repeat(" ", 2<<20), 400, "BadRequest"},
		{"short_life", "POST", account + "/token", tokenRequest(map[string]any{"expirationSeconds": 599}), 422, "Invalid"},
		{"long_life", "POST", account + "/token", tokenRequest(map[string]any{"expirationSeconds": 1<<32 + 1}), 422, "Invalid"},
		{"bound", "POST", account + "/token", tokenRequest(map[string]any{"boundObjectRef": map[string]any{"kind": "Pod", "name": "p"}}), 422, "Invalid"},
		{"no_audience", "POST", account + "/token", tokenRequest(map[string]any{"audiences": []string{""}}), 422, "Invalid"},
		{"long_audience", "POST", account + "/token", tokenRequest(map[string]any{"audiences": []string{strings.Repeat("a", 2000)}}), 422, "Invalid"},
		{"many_audiences", "POST", account + "/token", tokenRequest(map[string]any{"audiences": make([]string, 33)}), 422, "Invalid"},
		{"bad_namespace", "POST", "/api/v1/namespaces/a:b/serviceaccounts/c/token", tokenRequest(nil), 404, "NotFound"},
		{"bad_name", "POST", "/api/v1/namespaces/a/serviceaccounts/B_/token", tokenRequest(nil), 404, "NotFound"},
		{"slash_in_a_name", "GET", "/api/v1/namespaces/a/serviceaccounts/b%2Fc", nil, 404, "NotFound"},
		{"pods", "GET", "/api/v1/namespaces/widemo/pods", nil, 501, "NotImplemented"},
		{"create", "POST", "/api/v1/namespaces", `{}`, 501, "NotImplemented"},
		{"delete", "DELETE", account, nil, 501, "NotImplemented"},
		{"patch", "PATCH", account, `{}`, 501, "NotImplemented"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.Want(config.at(c.method, c.path, c.body), c.status, "")
			if got.Get("reason") != c.reason || c.reason != "" && (got.Get("kind") != "Status" || got.Get("code") != fmt.Sprint(c.status)) {
				t.Errorf("got %s, want reason %s", got.Body, c.reason)
			}
		})
	}
	if got := w.Want(config.at("GET", "/version", nil), 200, ""); got.Get("gitVersion") != "v"+created.Get("properties.kubernetesVersion") || got.Get("major") != "1" {
		t.Errorf("version: got %s", got.Body)
	}
	w.Put(clusters+"/green", body(nil), 201)
	green := admin(t, w, clusters+"/green", "listClusterAdminCredential")
	green.Users = config.Users
	w.Want(green.at("GET", "/version", nil), 401, "")
	w.Want(apptest.Request{Method: "DELETE", URL: cluster}, 204, "")
	w.Want(config.at("POST", account+"/token", tokenRequest(nil)), 404, "")
	w.Want(apptest.Request{URL: strings.TrimPrefix(claims.Get("iss"), "https://") + "openid/v1/jwks", As: "-"}, 404, "")
	w.Want(apptest.Request{Method: "DELETE", URL: cluster}, 204, "")
	if again := w.Put(cluster, body(nil), 201); again.Get("properties.oidcIssuerProfile.issuerURL") == claims.Get("iss") || again.Get("properties.fqdn") == created.Get("properties.fqdn") {
		t.Error("a cluster made anew has the old issuer or host")
	}
	w.Want(config.at("GET", "/version", nil), 404, "")
}

func TestServiceAccountNamesItsIdentity(t *testing.T) {
	w := apptest.New(t, nil)
	issuerURL := w.Put(cluster, body(nil), 201).Get("properties.oidcIssuerProfile.issuerURL")
	config := admin(t, w, cluster, "listClusterAdminCredential")
	account := config.at("GET", "/api/v1/namespaces/ns/serviceaccounts/sa", nil)
	if got := w.Want(account, 200, ""); got.Get("metadata.annotations") != "{}" || got.Get("metadata.name") != "sa" {
		t.Errorf("without identity: got %s", got.Body)
	}
	for i, want := range []bool{true, false} {
		identity := fmt.Sprint(apptest.Group, "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai-", i)
		clientID := w.Put(identity, `{"location":"westeurope"}`, 201).Get("properties.clientId")
		w.Put(identity+"/federatedIdentityCredentials/fic", map[string]any{"properties": map[string]any{
			"issuer": issuerURL, "subject": "system:serviceaccount:ns:sa", "audiences": []string{"api://AzureADTokenExchange"},
		}}, 201)
		got := w.Want(account, 200, "").Get("metadata.annotations")
		if (got == `{"azure.workload.identity/client-id":"`+clientID+`","azure.workload.identity/tenant-id":"`+apptest.TenantID+`"}`) != want {
			t.Errorf("with %d identities: got %s", i+1, got)
		}
	}
}

// full fails the n-th write that holds a resource, as a full disk does.
type full struct {
	store.Store
	fail bool
}

func (f *full) Apply(ctx context.Context, ops ...store.Op) ([]int64, error) {
	for _, op := range ops {
		if op.Kind == "arm.resource" && !op.Check && f.fail { // signing keys are made in the background
			return nil, errors.New("the disk /dev/sda1 is full")
		}
	}
	return f.Store.Apply(ctx, ops...)
}

func TestNoIssuerWithoutItsCluster(t *testing.T) {
	medium := &full{}
	w := apptest.New(t, func(s store.Store) store.Store { medium.Store = s; return medium })
	medium.fail = true
	got := w.Want(apptest.Request{Method: "PUT", URL: cluster, Body: body(nil)}, 500, "InternalServerError")
	if strings.Contains(got.Body, "sda1") {
		t.Errorf("the answer tells of the inside: %s", got.Body)
	}
	for _, kind := range []string{"issuer.issuers", "containerservice.host"} {
		page, err := w.Store.List(t.Context(), kind, store.Query{})
		if err != nil || len(page.Docs) != 0 {
			t.Errorf("%s: got %d documents, %v", kind, len(page.Docs), err)
		}
	}
	medium.fail = false
	w.Put(cluster, body(nil), 201)
}

func TestWritersAtTheSameTime(t *testing.T) {
	w := apptest.New(t, nil)
	armtest.Parallel(6, func(i int) {
		if got := w.Do(apptest.Request{Method: "PUT", URL: cluster, Body: body(map[string]any{fmt.Sprint("p", i): i})}); got.Status != 200 && got.Status != 201 {
			t.Errorf("put: got %d %s", got.Status, got.Body)
		}
	})
	got := w.Want(apptest.Request{URL: cluster}, 200, "")
	for i := range 6 {
		if got.Get(fmt.Sprint("properties.p", i)) != fmt.Sprint(i) {
			t.Errorf("an update was lost: %s", got.Body)
		}
	}
	page, err := w.Store.List(t.Context(), "issuer.issuers", store.Query{})
	if err != nil || len(page.Docs) != 1 {
		t.Errorf("issuers: got %d, %v, want 1", len(page.Docs), err)
	}
	config := admin(t, w, cluster, "listClusterAdminCredential")
	armtest.Parallel(6, func(i int) {
		if got := w.Do(config.at("POST", "/api/v1/namespaces/ns/serviceaccounts/sa/token", tokenRequest(nil))); got.Status != 201 {
			t.Errorf("token %d: got %d %s", i, got.Status, got.Body)
		}
	})
}

// TestServicePrincipalOfIdentityClusters: az reads the profile of every cluster.
func TestServicePrincipalOfIdentityClusters(t *testing.T) {
	w := apptest.New(t, nil)
	id := apptest.Group + "/providers/Microsoft.ContainerService/managedClusters/withidentity"
	made := w.Put(id, `{"location":"`+apptest.Location+`","identity":{"type":"SystemAssigned"},"properties":{"dnsPrefix":"app"}}`, 201)
	if body := fmt.Sprint(made); !strings.Contains(body, "msi") {
		t.Errorf("got %s, want a servicePrincipalProfile with the client id msi", body)
	}
}
