package entra

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// TestClientsWithoutUsers: each way in which azurerm and az sign in for an
// application or a managed identity, as they put it on the wire.
func TestClientsWithoutUsers(t *testing.T) {
	b := newWorkbench(t, nil)
	key, certificate := b.certificate()
	sum := sha1.Sum(certificate.Raw)
	elliptic, ellipticSum := b.ellipticCertificate()
	claims := func(endpoint string, life time.Duration) map[string]any {
		now := b.clock.Now()
		return map[string]any{
			"aud": endpoint, "iss": b.app.AppID, "sub": b.app.AppID, "jti": "b0a1d9de-2a6b-4f3e-8f65-0c7d55e1f1aa",
			"nbf": now.Unix(), "iat": now.Unix(), "exp": now.Add(life).Unix(),
		}
	}
	byDomain := "https://login.microsoftonline.com/" + tenantDomain + "/oauth2/v2.0/token"
	local := "https://login.aksess.localhost:8443/" + tenantID + "/oauth2/v2.0/token"
	const (
		azurermScope = "https://management.azure.com/.default"
		azScope      = "https://management.core.windows.net//.default"
	)
	for name, test := range map[string]struct {
		endpoint  string
		client    string
		scope     string
		assertion string
		secret    string
		method    string // appidacr
	}{
		"azurerm_secret":           {tokenURL, b.app.AppID, azurermScope, "", guardSecret, "1"},
		"azurerm_rs256":            {tokenURL, b.app.AppID, azurermScope, compact(t, key.Signer(), map[string]any{"alg": "RS256", "typ": "JWT", "kid": base64.URLEncoding.EncodeToString(sum[:])}, claims(tokenURL, time.Hour)), "", "2"},
		"azurerm_es256":            {tokenURL, b.app.AppID, azurermScope, compactES256(t, elliptic, map[string]any{"alg": "ES256", "typ": "JWT", "kid": base64.URLEncoding.EncodeToString(ellipticSum)}, claims(tokenURL, time.Hour)), "", "2"},
		"azurerm_by_domain":        {byDomain, b.app.AppID, azurermScope, compact(t, key.Signer(), map[string]any{"alg": "RS256", "kid": base64.URLEncoding.EncodeToString(sum[:])}, claims(byDomain, time.Hour)), "", "2"},
		"azurerm_workload":         {tokenURL, b.identity.AppID, azurermScope, b.mint(nil), "", "2"},
		"az_secret":                {tokenURL, b.app.AppID, azScope, "", guardSecret, "1"},
		"az_certificate":           {tokenURL, b.app.AppID, azScope, compact(t, key.Signer(), map[string]any{"alg": "RS256", "typ": "JWT", "x5t": base64.RawURLEncoding.EncodeToString(sum[:])}, claims(tokenURL, 10*time.Minute)), "", "2"},
		"az_certificate_sn_issuer": {tokenURL, b.app.AppID, azScope, compact(t, key.Signer(), map[string]any{"alg": "RS256", "typ": "JWT", "x5t": base64.RawURLEncoding.EncodeToString(sum[:]), "x5c": []string{base64.StdEncoding.EncodeToString(certificate.Raw)}}, claims(tokenURL, 10*time.Minute)), "", "2"},
		"az_federated":             {tokenURL, b.identity.AppID, azScope, b.mint(nil), "", "2"},
		"local_name":               {local, b.app.AppID, azurermScope, compact(t, key.Signer(), map[string]any{"alg": "RS256", "kid": base64.URLEncoding.EncodeToString(sum[:])}, claims(local, time.Hour)), "", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {test.client}, "scope": {test.scope}, "client_info": {"1"}}
			if test.secret != "" {
				form.Set("client_secret", test.secret)
			} else {
				form.Set("client_assertion_type", assertionType)
				form.Set("client_assertion", test.assertion)
			}
			got := b.post(test.endpoint, form)
			wantClaims(t, b.token(got), map[string]any{
				"appid": test.client, "appidacr": test.method, "aud": test.scope[:len(test.scope)-len("/.default")], "idtyp": "app", "tid": tenantID, "scp": nil,
			})
			if got.RefreshToken != "" || got.IDToken != "" {
				t.Errorf("got %s, want no tokens of users", got.body)
			}
		})
	}
	// The local name is one only for those who came by it.
	stolen := compact(t, key.Signer(), map[string]any{"alg": "RS256", "kid": base64.URLEncoding.EncodeToString(sum[:])}, claims(local, time.Hour))
	wantCode(t, b.exchange(b.ownForm(stolen)), "AADSTS700023")
}

// ellipticCertificate registers a P-256 certificate of the application.
func (b *workbench) ellipticCertificate() (*ecdsa.PrivateKey, []byte) {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "deployer"}, NotBefore: b.clock.Now().Add(-time.Hour), NotAfter: b.clock.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.directory.AddCertificate(b.t.Context(), b.app.ObjectID, der); err != nil {
		b.t.Fatal(err)
	}
	sum := sha1.Sum(der)
	return key, sum[:]
}

// compactES256 signs as RFC 7518, section 3.4, says.
func compactES256(t testing.TB, key *ecdsa.PrivateKey, header, claims any) string {
	t.Helper()
	input := ""
	for _, part := range []any{header, claims} {
		encoded, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		if input != "" {
			input += "."
		}
		input += base64.RawURLEncoding.EncodeToString(encoded)
	}
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// TestLocalNamesInTheAddress: a client without the proxy names resources by
// their local names, also where a browser carries the request.
func TestLocalNamesInTheAddress(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	query := authorize("scope", "https://management.aksess.localhost:8443//.default openid offline_access")[len(organizationsURL):]
	address := "https://login.aksess.localhost:8443/organizations/oauth2/v2.0/" + query
	p := b.browse(http.MethodPost, address, signInForm)
	to, err := url.Parse(p.header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		t.Fatalf("got %d %s to %v, %v", p.status, p.body, to, err)
	}
	form := redeem(to.Query().Get("code"))
	form.Del("scope")
	if claims := b.token(b.post(organizationsURL+"token", form)); claims["aud"] != "https://management.azure.com/" {
		t.Errorf("got aud %v, want Azure's name", claims["aud"])
	}
}
