package graph_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/directory"
)

func escape(filter string) string { return url.QueryEscape(filter) }

func TestPasswords(t *testing.T) {
	w := world(t)
	id, appID := createApplication(w, "app")
	oid := w.Want(post("/servicePrincipals", member{"appId": appID}), 201, "").Get("id")
	made := w.Want(post("/applications/"+id+"/addPassword", member{"passwordCredential": member{"displayName": "rbac"}}), 200, "")
	secret, key := made.Get("secretText"), made.Get("keyId")
	if len(secret) != 40 || made.Get("hint") != secret[:3] || made.Get("endDateTime") != "2028-08-31T12:00:00Z" {
		t.Errorf("got %s", made.Body)
	}
	check := func(want error) {
		t.Helper()
		p, err := w.Directory.ByAppID(t.Context(), apptest.TenantID, appID)
		if err != nil {
			t.Fatal(err)
		}
		if got := directory.CheckSecret(p, secret, w.Now()); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	check(nil)
	shown := w.Want(get("/applications/"+id), 200, "")
	if shown.Get("passwordCredentials.0.keyId") != key || shown.Get("passwordCredentials.0.secretText") != "" {
		t.Errorf("got %s", shown.Body)
	}
	w.Want(post("/servicePrincipals/"+oid+"/removePassword", member{"keyId": key}), 400, "Request_BadRequest") // it is the application's
	w.Want(post("/applications/"+id+"/removePassword", member{"keyId": key}), 204, "")
	check(directory.ErrSecretWrong)
	w.Want(post("/applications/"+id+"/removePassword", member{"keyId": key}), 400, "Request_BadRequest")

	own := w.Want(post("/servicePrincipals/"+oid+"/addPassword", member{"passwordCredential": member{
		"startDateTime": "2026-09-02T00:00:00Z", "endDateTime": "2026-09-03T00:00:00Z",
	}}), 200, "")
	secret = own.Get("secretText")
	check(directory.ErrSecretWrong) // not yet
	w.Advance(24 * time.Hour)
	check(nil)
	w.Advance(24 * time.Hour)
	check(directory.ErrSecretExpired)
	if got := w.Want(get("/servicePrincipals/"+oid), 200, ""); got.Get("passwordCredentials.0.keyId") != own.Get("keyId") {
		t.Errorf("got %s", got.Body)
	}
	w.Want(post("/applications/"+id+"/addPassword", member{"passwordCredential": member{"endDateTime": "2020-01-01T00:00:00Z"}}), 400, "Request_BadRequest")
	w.Want(post("/applications/"+id+"/addPassword", `{"passwordCredential":{"endDateTime":"tomorrow"}}`), 400, "BadRequest")
}

func certificate(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func TestKeys(t *testing.T) {
	w := world(t)
	id, appID := createApplication(w, "app")
	const first = "aaaaaaaa-1111-4111-8111-111111111111"
	key := func(value any) member {
		return member{"@odata.type": "#microsoft.graph.keyCredential", "type": "AsymmetricX509Cert", "usage": "Verify", "key": value, "displayName": "CN=app"}
	}
	one := key(certificate(t, "app"))
	one["keyId"] = first
	w.Want(patch("/applications/"+id, member{"keyCredentials": []member{one}}), 204, "")
	if got := w.Want(get("/applications/"+id), 200, ""); got.Get("keyCredentials.0.keyId") != first || got.Get("keyCredentials.0.key") != "" || len(got.Get("keyCredentials.0.customKeyIdentifier")) != 40 {
		t.Errorf("got %s", got.Body)
	}
	kept := member{"keyId": first, "type": "AsymmetricX509Cert", "usage": "Verify", "key": nil}
	w.Want(patch("/applications/"+id, member{"keyCredentials": []member{kept, key(certificate(t, "next"))}}), 204, "")
	p, err := w.Directory.Application(t.Context(), apptest.TenantID, appID)
	if err != nil || len(p.Certificates) != 2 || p.Certificates[0].ID != first {
		t.Errorf("got %+v, %v, want the old one and the new one", p, err)
	}
	for name, bad := range map[string]member{
		"no_key":          {"type": "AsymmetricX509Cert", "usage": "Verify"},
		"not_base64":      key("%"),
		"not_certificate": key("AAAA"),
		"symmetric":       {"type": "Symmetric", "usage": "Sign", "key": "AAAA"},
		"odd_id":          {"type": "AsymmetricX509Cert", "usage": "Verify", "key": certificate(t, "x"), "keyId": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.Want(patch("/applications/"+id, member{"keyCredentials": []member{bad}}), 400, "Request_BadRequest")
		})
	}
	w.T = t
	w.Want(patch("/applications/"+id, member{"keyCredentials": []member{kept, kept}}), 400, "Request_BadRequest")
	w.Want(patch("/applications/"+id, member{"keyCredentials": []member{}}), 204, "")
}

func TestFederatedCredentials(t *testing.T) {
	w := world(t)
	id, appID := createApplication(w, "app")
	path := "/applications/" + id + "/federatedIdentityCredentials"
	body := func(n int) member {
		return member{
			"name": fmt.Sprintf("fic-%02d", n), "issuer": "https://issuer.example/", "subject": fmt.Sprintf("system:serviceaccount:default:s%d", n),
			"audiences": []string{"api://AzureADTokenExchange"},
		}
	}
	made := w.Want(post(path, body(0)), 201, "")
	fic := made.Get("id")
	p, err := w.Directory.Application(t.Context(), apptest.TenantID, appID)
	if err != nil || len(p.Matchable()) != 1 || p.Matchable()[0].Subject != "system:serviceaccount:default:s0" {
		t.Fatalf("got %+v, %v", p, err)
	}
	for _, key := range []string{fic, "fic-00", "FIC-00"} {
		if got := w.Want(get(path+"/"+key), 200, ""); got.Get("id") != fic || got.Get("audiences.0") != "api://AzureADTokenExchange" || got.Get("description") != "" {
			t.Errorf("%s: got %s", key, got.Body)
		}
	}
	w.Want(patch(path+"/"+fic, member{"subject": "system:serviceaccount:default:other", "description": "d"}), 204, "")
	if got := w.Want(get(path+"/fic-00"), 200, ""); got.Get("subject") != "system:serviceaccount:default:other" || got.Get("description") != "d" {
		t.Errorf("got %s", got.Body)
	}
	w.Want(post(path, body(0)), 409, "Request_MultipleObjectsWithSameKeyValue")
	twin := body(1)
	twin["subject"] = "system:serviceaccount:default:other"
	w.Want(post(path, twin), 400, "Request_MultipleObjectsWithSameKeyValue")
	for name, with := range map[string]member{
		"no_audience":   {"audiences": []string{}},
		"two_audiences": {"audiences": []string{"a", "b"}},
		"http_issuer":   {"issuer": "http://issuer.example/"},
		"bad_name":      {"name": "a b"},
		"no_subject":    {"subject": nil},
		"expression":    {"claimsMatchingExpression": member{"value": "x"}},
		"wrong_type":    {"audiences": "api://AzureADTokenExchange"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			one := body(2)
			for key, value := range with {
				one[key] = value
			}
			w.Want(post(path, one), 400, "Request_BadRequest")
		})
	}
	w.T = t
	for n := 1; n < 20; n++ {
		w.Want(post(path, body(n)), 201, "")
	}
	w.Want(post(path, body(20)), 403, "Directory_QuotaExceeded")
	if got := w.Want(get(path), 200, ""); len(values(got, "name")) != 20 {
		t.Errorf("got %s", got.Body)
	}
	w.Want(patch(path+"/fic-01", member{"name": "renamed"}), 400, "Request_BadRequest")
	w.Want(remove(path+"/fic-01"), 204, "")
	w.Want(remove(path+"/fic-01"), 404, "Request_ResourceNotFound")
	w.Want(get(path+"/"+apptest.TenantID), 404, "Request_ResourceNotFound")
}
