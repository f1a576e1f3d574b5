package storageapi_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/service"
	"github.com/aksess/aksess/internal/service/resources"
	"github.com/aksess/aksess/internal/storage/signature"
)

// sas is a query with its signature. Times are hours from now.
func sas(w *apptest.World, secret []byte, text func(signature.SAS) string, pairs ...string) string {
	w.T.Helper()
	values := url.Values{"sv": {"2022-11-02"}, "se": {hours(w, 1)}}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			values.Del(pairs[i])
		}
	}
	values.Set("sig", signature.Encode(secret, text(signature.ParseSAS(values.Encode()))))
	return values.Encode()
}

func hours(w *apptest.World, n int) string {
	return w.Now().Add(time.Duration(n) * time.Hour).UTC().Format("2006-01-02T15:04:05Z")
}

func ofAccount(s signature.SAS) string { return s.AccountText("widemo") }

func ofBlob(resource string) func(signature.SAS) string {
	return func(s signature.SAS) string { return s.BlobText("/blob/widemo/"+resource, "") }
}

func ofQueue(s signature.SAS) string { return s.QueueText("/queue/widemo/jobs") }

// with sends a request that has a signature in place of a token.
func with(query, method, target string) apptest.Request {
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	return apptest.Request{Method: method, URL: target + separator + query, As: "-", Header: map[string]string{
		"x-ms-blob-type": "BlockBlob", "x-ms-version": "2022-11-02",
	}}
}

type sasCase struct {
	name, query, method, target string
	status                      int
	code                        string
}

func runCases(t *testing.T, w *apptest.World, cases []sasCase) {
	t.Helper()
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			w.T = t
			got := w.Do(with(test.query, test.method, test.target))
			if got.Status != test.status || got.Header.Get("x-ms-error-code") != test.code {
				t.Errorf("got %d %s, want %d %s\n%s", got.Status, got.Header.Get("x-ms-error-code"), test.status, test.code, got.Body)
			}
		})
	}
	w.T = t
}

func TestAccountSAS(t *testing.T) {
	w := world(t)
	secret := decoded(w, key(w, "1"))
	make := func(pairs ...string) string { return sas(w, secret, ofAccount, pairs...) }
	all := make("ss", "bqft", "srt", "sco", "sp", "rwdlacup")
	runCases(t, w, []sasCase{
		{"list-containers", all, "GET", blobHost + "/?comp=list", 200, ""},
		{"properties", all, "GET", tableHost + "/?restype=service&comp=properties", 200, ""},
		{"create-container", all, "PUT", blobHost + "/con2?restype=container", 201, ""},
		{"put", all, "PUT", blobHost + "/con/b", 201, ""},
		{"get", make("ss", "b", "srt", "o", "sp", "r", "spr", "https", "st", hours(w, -1)), "GET", blobHost + "/con/b", 200, ""},
		{"message", make("ss", "q", "srt", "o", "sp", "p"), "GET", queueHost + "/jobs/messages", 200, ""},
		{"acl-never", all, "GET", blobHost + "/con?restype=container&comp=acl", 403, "AuthorizationResourceTypeMismatch"},
		{"other-service", make("ss", "q", "srt", "sco", "sp", "rl"), "GET", blobHost + "/?comp=list", 403, "AuthorizationServiceMismatch"},
		{"other-level", make("ss", "b", "srt", "o", "sp", "rl"), "GET", blobHost + "/?comp=list", 403, "AuthorizationResourceTypeMismatch"},
		{"no-permission", make("ss", "b", "srt", "sco", "sp", "r"), "DELETE", blobHost + "/con/b", 403, "AuthorizationPermissionMismatch"},
		{"create-new", make("ss", "b", "srt", "o", "sp", "c"), "PUT", blobHost + "/con/new", 201, ""},
		{"create-existing", make("ss", "b", "srt", "o", "sp", "c"), "PUT", blobHost + "/con/b", 403, "AuthorizationPermissionMismatch"},
		{"expired", make("ss", "b", "srt", "o", "sp", "r", "se", hours(w, -1)), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"},
		{"not-yet", make("ss", "b", "srt", "o", "sp", "r", "st", hours(w, 1), "se", hours(w, 2)), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"},
		{"no-end", make("ss", "b", "srt", "o", "sp", "r", "se", ""), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"},
		{"address", make("ss", "b", "srt", "o", "sp", "r", "sip", "203.0.113.1-203.0.113.20"), "GET", blobHost + "/con/b", 200, ""},
		{"other-address", make("ss", "b", "srt", "o", "sp", "r", "sip", "203.0.113.11"), "GET", blobHost + "/con/b", 403, "AuthorizationSourceIPMismatch"},
		{"protocol", make("ss", "b", "srt", "o", "sp", "r", "spr", "http"), "GET", blobHost + "/con/b", 403, "AuthorizationProtocolMismatch"},
		{"old-version", make("ss", "b", "srt", "o", "sp", "r", "sv", "2014-02-14"), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"},
		{"altered", strings.Replace(make("ss", "b", "srt", "o", "sp", "r"), "sp=r", "sp=rw", 1), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"},
		{"scope", make("ss", "b", "srt", "o", "sp", "r", "ses", "x"), "GET", blobHost + "/con/b", 501, "NotImplemented"},
		{"unserved", all, "PUT", fileHost + "/share?restype=share", 501, "NotImplemented"},
		{"delegation-key", all, "POST", blobHost + "/?restype=service&comp=userdelegationkey", 403, "AuthorizationResourceTypeMismatch"},
	})
	setAccount(w, `"allowSharedKeyAccess":false`)
	runCases(t, w, []sasCase{{"not-permitted", all, "GET", blobHost + "/?comp=list", 403, "KeyBasedAuthenticationNotPermitted"}})
	setAccount(w, `"allowSharedKeyAccess":true,"networkAcls":{"defaultAction":"Deny"}`)
	runCases(t, w, []sasCase{{"firewall", all, "GET", blobHost + "/?comp=list", 403, "AuthorizationFailure"}})
	setAccount(w, `"networkAcls":{"defaultAction":"Allow"}`)
	w.Want(apptest.Request{Method: http.MethodPost, URL: accountID + "/regenerateKey", Body: `{"keyName":"key2"}`}, 200, "")
	runCases(t, w, []sasCase{{"old-key", all, "GET", blobHost + "/?comp=list", 403, "AuthenticationFailed"}})
}

// TestCopySAS: the source of a copy is read by the signature in its own URL, or
// by the account's key; the signature of the destination does not count for it.
func TestCopySAS(t *testing.T) {
	w := world(t)
	secret := decoded(w, key(w, "1"))
	blob := func(name, permissions string) string {
		return blobHost + "/con/" + name + "?" + sas(w, secret, ofBlob("con/"+name), "sr", "b", "sp", permissions)
	}
	w.Want(with(sas(w, secret, ofBlob("con/a"), "sr", "b", "sp", "w"), "PUT", blobHost+"/con/a"), 201, "")
	for _, test := range []struct {
		name, to, from string
		status         int
		code           string
	}{
		{"signed", blob("b", "cw"), blob("a", "r"), 202, ""},
		{"not-to-read", blob("b", "cw"), blob("a", "w"), 403, "CannotVerifyCopySource"},
		{"for-another", blob("b", "cw"), blobHost + "/con/a?" + sas(w, secret, ofBlob("con/b"), "sr", "b", "sp", "r"), 403, "CannotVerifyCopySource"},
		{"unsigned", blob("b", "cw"), blobHost + "/con/a", 401, "CannotVerifyCopySource"},
		{"account-signature", blobHost + "/con/b?" + sas(w, secret, ofAccount, "ss", "b", "srt", "sco", "sp", "rwdlac"), blobHost + "/con/a", 401, "CannotVerifyCopySource"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.T = t
			got := w.Do(apptest.Request{Method: "PUT", URL: test.to, As: "-", Header: map[string]string{"x-ms-version": "2022-11-02", "x-ms-copy-source": "https://" + test.from}})
			if got.Status != test.status || got.Header.Get("x-ms-error-code") != test.code {
				t.Errorf("got %d %s, want %d %s\n%s", got.Status, got.Header.Get("x-ms-error-code"), test.status, test.code, got.Body)
			}
			if strings.Contains(got.Header.Get("x-ms-copy-source"), "sig") {
				t.Errorf("the answer has the signature: %v", got.Header)
			}
		})
	}
}

// TestCopyFromAnotherAccount: a key counts for its own account, and so does a
// token that is not repeated for the source. The source's network rules count too.
func TestCopyFromAnotherAccount(t *testing.T) {
	w := world(t)
	const other = apptest.Group + "/providers/Microsoft.Storage/storageAccounts/elsewhere"
	set := func(properties string) {
		w.Want(apptest.Request{Method: http.MethodPut, URL: other, Body: `{"location":"` + apptest.Location +
			`","kind":"StorageV2","sku":{"name":"Standard_LRS"},"properties":{` + properties + `}}`}, http.StatusOK, "")
	}
	set("")
	w.Assign("copier", "Storage Blob Data Contributor", apptest.Group)
	const source = "elsewhere.blob.core.windows.net/con/a"
	for _, path := range []string{"elsewhere.blob.core.windows.net/con?restype=container", source} {
		w.Want(apptest.Request{Method: "PUT", URL: path, As: "copier", Header: map[string]string{"x-ms-version": "2023-11-03", "x-ms-blob-type": "BlockBlob"}}, 201, "")
	}
	copied := func(more ...string) apptest.Request {
		r := apptest.Request{Method: "PUT", URL: blobHost + "/con/b", As: "copier", Header: map[string]string{"x-ms-version": "2023-11-03", "x-ms-copy-source": "https://" + source}}
		for i := 0; i < len(more); i += 2 {
			r.Header[more[i]] = more[i+1]
		}
		return r
	}
	byKey := copied()
	byKey.As = "-"
	again := func(audience string) apptest.Request {
		token := "Bearer copier|" + audience
		return copied("Authorization", token, "x-ms-copy-source-authorization", token)
	}
	for _, test := range []struct {
		name    string
		network string
		r       apptest.Request
		status  int
	}{
		{"key", "", signed(w, byKey, key(w, "0"), signature.SharedKey), 401},
		{"token", "", copied(), 401},
		{"token-again", "", again("https://storage.azure.com"), 202},
		{"token-for-the-destination", "", again("https://" + blobHost), 401},
		{"network", `"publicNetworkAccess":"Disabled"`, again("https://storage.azure.com"), 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.T = t
			set(test.network)
			if got := w.Do(test.r); got.Status != test.status || test.status > 299 && got.Header.Get("x-ms-error-code") != "CannotVerifyCopySource" {
				t.Errorf("got %d %s, want %d", got.Status, got.Body, test.status)
			}
		})
	}
}

// TestSnapshotSAS: the signature of a snapshot is for that one alone, and a
// blob's for the blob alone; a container's is for all.
func TestSnapshotSAS(t *testing.T) {
	w := world(t)
	secret := decoded(w, key(w, "1"))
	all := sas(w, secret, ofBlob("con"), "sr", "c", "sp", "rwcd")
	w.Do(with(all, "PUT", blobHost+"/con/a"))
	taken := w.Do(with(all, "PUT", blobHost+"/con/a?comp=snapshot")).Header.Get("x-ms-snapshot")
	w.Advance(time.Second)
	second := w.Do(with(all, "PUT", blobHost+"/con/a?comp=snapshot")).Header.Get("x-ms-snapshot")
	if taken == "" || second == "" || taken == second {
		t.Fatalf("got snapshots %q and %q", taken, second)
	}
	one := sas(w, secret, func(s signature.SAS) string { return s.BlobText("/blob/widemo/con/a", taken) }, "sr", "bs", "sp", "rw")
	blob := sas(w, secret, ofBlob("con/a"), "sr", "b", "sp", "rw")
	at := func(moment string) string { return blobHost + "/con/a?snapshot=" + url.QueryEscape(moment) }
	runCases(t, w, []sasCase{
		{"its-snapshot", one, "GET", at(taken), 200, ""},
		{"another-snapshot", one, "GET", at(second), 403, "AuthenticationFailed"},
		{"not-the-blob", one, "GET", blobHost + "/con/a", 403, "AuthenticationFailed"},
		{"not-the-blob-to-write", one, "PUT", blobHost + "/con/a", 403, "AuthenticationFailed"},
		{"blob-not-its-snapshot", blob, "GET", at(taken), 403, "AuthenticationFailed"},
		{"container", all, "GET", at(taken), 200, ""},
	})
}

// TestTagsSAS: t is needed for tags, beside what else is done.
func TestTagsSAS(t *testing.T) {
	w := world(t)
	secret := decoded(w, key(w, "1"))
	for _, test := range []struct {
		name, permissions, method, query, body string
		status                                 int
	}{
		{"put-with-tags", "wt", "PUT", "", "", 201},
		{"put-with-tags-not-permitted", "w", "PUT", "", "", 403},
		{"read", "t", "GET", "&comp=tags", "", 200},
		{"read-not-permitted", "rw", "GET", "&comp=tags", "", 403},
		{"write", "t", "PUT", "&comp=tags", "<Tags><TagSet/></Tags>", 204},
		{"write-not-permitted", "rw", "PUT", "&comp=tags", "<Tags><TagSet/></Tags>", 403},
		{"list", "lt", "GET", "&restype=container&comp=list&include=tags", "", 200},
		{"list-not-permitted", "l", "GET", "&restype=container&comp=list&include=tags", "", 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.T = t
			target := blobHost + "/con/tagged"
			if strings.Contains(test.query, "restype") {
				target = blobHost + "/con"
			}
			r := with(sas(w, secret, ofBlob("con"), "sr", "c", "sp", test.permissions)+test.query, test.method, target)
			r.Body = test.body
			if test.query == "" {
				r.Header["x-ms-tags"] = "a=1"
			}
			if got := w.Do(r); got.Status != test.status {
				t.Errorf("got %d %s, want %d", got.Status, got.Body, test.status)
			}
		})
	}
}

// TestLeaseSAS: writing leases, and deleting is enough to break one.
func TestLeaseSAS(t *testing.T) {
	w := world(t)
	secret := decoded(w, key(w, "1"))
	make := func(pairs ...string) string { return sas(w, secret, ofAccount, pairs...) }
	w.Want(with(make("ss", "b", "srt", "sco", "sp", "w"), "PUT", blobHost+"/con/lock"), 201, "")
	for _, test := range []struct {
		name, permissions, action string
		status                    int
	}{
		{"read", "r", "acquire", 403},
		{"delete-acquires-not", "d", "acquire", 403},
		{"write", "w", "acquire", 201},
		{"read-breaks-not", "r", "break", 403},
		{"delete-breaks", "d", "break", 202},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.T = t
			for _, target := range []string{blobHost + "/con/lock?comp=lease", blobHost + "/con?restype=container&comp=lease"} {
				r := with(make("ss", "b", "srt", "co", "sp", test.permissions), "PUT", target)
				r.Header["x-ms-lease-action"], r.Header["x-ms-lease-duration"] = test.action, "-1"
				if got := w.Do(r); got.Status != test.status {
					t.Errorf("%s: got %d, want %d\n%s", target, got.Status, test.status, got.Body)
				}
			}
		})
	}
	w.T = t
	of := sas(w, secret, ofBlob("con"), "sr", "c", "sp", "rwdlt")
	r := with(of, "PUT", blobHost+"/con?restype=container&comp=lease")
	r.Header["x-ms-lease-action"] = "break"
	if got := w.Do(r); got.Status != 403 {
		t.Errorf("a container's signature: got %d, want 403", got.Status)
	}
}

func TestServiceSAS(t *testing.T) {
	w := world(t)
	secret := decoded(w, key(w, "0"))
	container := func(pairs ...string) string {
		return sas(w, secret, ofBlob("con"), append([]string{"sr", "c"}, pairs...)...)
	}
	one := func(name string, pairs ...string) string {
		return sas(w, secret, ofBlob("con/"+name), append([]string{"sr", "b"}, pairs...)...)
	}
	queue := func(pairs ...string) string { return sas(w, secret, ofQueue, pairs...) }
	runCases(t, w, []sasCase{
		{"put", container("sp", "rwl"), "PUT", blobHost + "/con/a%20b", 201, ""},
		{"get", container("sp", "r"), "GET", blobHost + "/con/a%20b", 200, ""},
		{"list", container("sp", "l"), "GET", blobHost + "/con?restype=container&comp=list", 200, ""},
		{"one", one("a b", "sp", "r"), "GET", blobHost + "/con/a%20b", 200, ""},
		{"another", one("a b", "sp", "r"), "GET", blobHost + "/con/c", 403, "AuthenticationFailed"},
		{"list-by-one", one("", "sp", "l"), "GET", blobHost + "/con?restype=container&comp=list", 403, "AuthorizationFailure"},
		{"properties", container("sp", "rwdl"), "GET", blobHost + "/con?restype=container", 403, "AuthorizationPermissionMismatch"},
		{"delete-container", container("sp", "rwdl"), "DELETE", blobHost + "/con?restype=container", 403, "AuthorizationPermissionMismatch"},
		{"other-container", container("sp", "r"), "GET", blobHost + "/con2/a", 403, "AuthenticationFailed"},
		{"snapshot", one("a b", "sp", "r", "sr", "bs"), "GET", blobHost + "/con/a%20b", 403, "AuthenticationFailed"},
		{"block-by-create", one("new", "sp", "c"), "PUT", blobHost + "/con/new?comp=blocklist", 400, "InvalidXmlDocument"},
		{"peek", queue("sp", "r"), "GET", queueHost + "/jobs/messages?peekonly=true", 200, ""},
		{"count", queue("sp", "r"), "GET", queueHost + "/jobs?comp=metadata", 200, ""},
		{"receive", queue("sp", "r"), "GET", queueHost + "/jobs/messages", 403, "AuthorizationPermissionMismatch"},
		{"clear", queue("sp", "raup"), "DELETE", queueHost + "/jobs/messages", 403, "AuthorizationPermissionMismatch"},
		{"other-queue", queue("sp", "r"), "GET", queueHost + "/more/messages?peekonly=true", 403, "AuthenticationFailed"},
		{"files", one("a", "sp", "r"), "GET", fileHost + "/?comp=list", 501, "NotImplemented"},
		{"no-policy", container("sp", "r", "si", "mine"), "GET", blobHost + "/con/a%20b", 403, "AuthenticationFailed"},
	})
	got := w.Do(with(one("a b", "sp", "r", "rsct", "text/x-other", "rscd", "inline"), "GET", blobHost+"/con/a%20b"))
	if got.Header.Get("Content-Type") != "text/x-other" || got.Header.Get("Content-Disposition") != "inline" {
		t.Errorf("overrides: got %v", got.Header)
	}
}

// TestStoredPolicy: a policy completes the signatures that name it, and ends
// them when it goes.
func TestStoredPolicy(t *testing.T) {
	w := world(t)
	first := key(w, "0")
	secret := decoded(w, first)
	acl := blobHost + "/con?restype=container&comp=acl"
	set := func(target, body string) {
		w.T.Helper()
		r := apptest.Request{Method: "PUT", URL: target, Body: body}
		if got := w.Do(signed(w, r, first, signature.SharedKey)); got.Status > 204 {
			t.Fatalf("PUT %s: got %d %s", target, got.Status, got.Body)
		}
	}
	policy := func(id string) string {
		return `<SignedIdentifiers><SignedIdentifier><Id>` + id + `</Id><AccessPolicy><Expiry>` + hours(w, 2) +
			`</Expiry><Permission>r</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>`
	}
	w.Want(with(sas(w, secret, ofAccount, "ss", "b", "srt", "o", "sp", "w"), "PUT", blobHost+"/con/b"), 201, "")
	set(acl, policy("mine"))
	set(queueHost+"/jobs?comp=acl", policy("mine"))
	shown := w.Do(signed(w, apptest.Request{URL: acl}, first, signature.SharedKey))
	if !strings.Contains(shown.Body, "<Id>mine</Id>") || !strings.Contains(shown.Body, "<Permission>r</Permission>") {
		t.Errorf("got %s, want the policy", shown.Body)
	}
	named := sas(w, secret, ofBlob("con"), "sr", "c", "si", "mine", "se", "")
	runCases(t, w, []sasCase{
		{"read", named, "GET", blobHost + "/con/b", 200, ""},
		{"write", named, "PUT", blobHost + "/con/b", 403, "AuthorizationPermissionMismatch"},
		{"twice", sas(w, secret, ofBlob("con"), "sr", "c", "si", "mine"), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"},
		{"queue", sas(w, secret, ofQueue, "si", "mine", "se", ""), "GET", queueHost + "/jobs/messages?peekonly=true", 200, ""},
		{"account", sas(w, secret, ofAccount, "ss", "b", "srt", "o", "sp", "r", "si", "mine"), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"},
	})
	set(acl, policy("other"))
	runCases(t, w, []sasCase{{"gone", named, "GET", blobHost + "/con/b", 403, "AuthenticationFailed"}})
}

// TestUserDelegation: a key that a user got signs what the user's roles allow,
// with or without account keys, and nobody else's.
func TestUserDelegation(t *testing.T) {
	w := world(t)
	setAccount(w, `"allowSharedKeyAccess":false`)
	w.Assign("ada", "Storage Blob Data Reader", accountID)
	w.Assign("bob", "Storage Blob Delegator", accountID)
	w.Assign(apptest.Owner, "Storage Blob Data Owner", accountID)
	w.Do(apptest.Request{Method: "PUT", URL: blobHost + "/con/b", Header: map[string]string{"x-ms-blob-type": "BlockBlob"}})
	ask := func(as, from, to string, status int) map[string]string {
		w.T.Helper()
		got := w.Do(apptest.Request{Method: "POST", URL: blobHost + "/?restype=service&comp=userdelegationkey", As: as,
			Body: "<KeyInfo><Start>" + from + "</Start><Expiry>" + to + "</Expiry></KeyInfo>", Header: map[string]string{"x-ms-version": "2022-11-02"}})
		if got.Status != status {
			t.Fatalf("as %s until %s: got %d %s, want %d", as, to, got.Status, got.Body, status)
		}
		found := map[string]string{}
		for _, name := range []string{"SignedOid", "SignedTid", "SignedStart", "SignedExpiry", "SignedService", "SignedVersion", "Value"} {
			_, rest, _ := strings.Cut(got.Body, "<"+name+">")
			found[name], _, _ = strings.Cut(rest, "<")
		}
		return found
	}
	make := func(k map[string]string, pairs ...string) string {
		secret, err := base64.StdEncoding.DecodeString(k["Value"])
		if err != nil {
			t.Fatal(err)
		}
		all := []string{"sr", "b", "skoid", k["SignedOid"], "sktid", k["SignedTid"], "skt", k["SignedStart"], "ske", k["SignedExpiry"], "sks", k["SignedService"], "skv", k["SignedVersion"]}
		return sas(w, secret, func(s signature.SAS) string { return s.DelegatedText("/blob/widemo/con/b", "") }, append(all, pairs...)...)
	}
	ada, bob := ask("ada", hours(w, 0), hours(w, 24), 200), ask("bob", hours(w, 0), hours(w, 24), 200)
	ask("nobody", hours(w, 0), hours(w, 24), 403)
	ask("ada", hours(w, 0), hours(w, 24*8), 400)
	ask("ada", hours(w, 0), hours(w, -1), 400)
	ask("ada", "x", hours(w, 1), 400)
	if ada["SignedOid"] != apptest.ObjectID("ada") || ada["Value"] == bob["Value"] {
		t.Errorf("got keys %v and %v", ada, bob)
	}
	forged := map[string]string{}
	for name, value := range ada {
		forged[name] = value
	}
	forged["SignedOid"] = apptest.ObjectID(apptest.Owner)
	runCases(t, w, []sasCase{
		{"read", make(ada, "sp", "r"), "GET", blobHost + "/con/b", 200, ""},
		{"write-without-role", make(ada, "sp", "rw"), "PUT", blobHost + "/con/b", 403, "AuthorizationPermissionMismatch"},
		{"write-not-signed", make(ada, "sp", "r"), "DELETE", blobHost + "/con/b", 403, "AuthorizationPermissionMismatch"},
		{"delegator-without-role", make(bob, "sp", "r"), "GET", blobHost + "/con/b", 403, "AuthorizationPermissionMismatch"},
		{"forged-user", make(forged, "sp", "r"), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"},
		{"key-ended", make(ada, "sp", "r", "ske", hours(w, 48)), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"},
		{"policy", make(ada, "sp", "r", "si", "mine"), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"},
		{"bound", make(ada, "sp", "r", "sduoid", apptest.ObjectID("ada")), "GET", blobHost + "/con/b", 501, "NotImplemented"},
	})
	w.Want(apptest.Request{Method: http.MethodPost, URL: accountID + "/revokeUserDelegationKeys"}, 200, "")
	runCases(t, w, []sasCase{{"revoked", make(ada, "sp", "r"), "GET", blobHost + "/con/b", 403, "AuthenticationFailed"}})
}

// TestNeedsAreComplete: every operation of the data planes is permitted by some
// signature, or listed here as one that none permits.
func TestNeedsAreComplete(t *testing.T) {
	w := world(t)
	secret := decoded(w, key(w, "0"))
	never := map[string]bool{"GetUserDelegationKey": true, "GetContainerACL": true, "HeadContainerACL": true, "SetContainerACL": true,
		"GetQueueACL": true, "HeadQueueACL": true, "SetQueueACL": true}
	services, err := service.All(service.Deps{Store: w.Store, Directory: w.Directory, Book: w.Book, Issuers: w.Issuers, Resources: w.Resources,
		Tenant: resources.Tenant{ID: apptest.TenantID}, Now: w.Now, NewID: w.NewID})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range services.Hosts {
		if s.Dialect != azapi.DialectStorage {
			continue
		}
		for _, operation := range s.Operations {
			path := strings.NewReplacer("{container}", "con3", "{blob...}", "b3", "{queue}", "que3", "{message}", "m").Replace(operation.Pattern)
			query := "x=1"
			for name, value := range operation.Query {
				query += "&" + name + "=" + value
			}
			all := sas(w, secret, ofAccount, "ss", "bqft", "srt", "sco", "sp", "rwdlacupt")
			got := w.Do(with(all, operation.Method, fmt.Sprintf("widemo.%s.core.windows.net%s?%s", s.Name, path, query)))
			refused := got.Status == http.StatusForbidden
			if refused != never[operation.Name] {
				t.Errorf("%s/%s: got %d %s, refused %v, want %v", s.Name, operation.Name, got.Status, got.Body, refused, never[operation.Name])
			}
		}
	}
}
