package storageapi_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/storage/signature"
	"github.com/aksess/aksess/internal/store"
)

// TestDelegationEndsWithThePrincipal: what a principal delegated is permitted by
// the roles of its groups, too, and by nothing once the principal is deleted.
func TestDelegationEndsWithThePrincipal(t *testing.T) {
	w := world(t)
	w.Assign(apptest.Owner, "Storage Blob Data Owner", accountID)
	w.Do(apptest.Request{Method: "PUT", URL: blobHost + "/con/b", Header: map[string]string{"x-ms-blob-type": "BlockBlob"}})
	w.Register("ada")
	w.Assign("ada", "Storage Blob Delegator", accountID)
	readers, err := w.Directory.CreateGroup(t.Context(), directory.Group{
		TenantID: apptest.TenantID, DisplayName: "readers", MailNickname: "readers", SecurityEnabled: true, Members: []string{apptest.ObjectID("ada")},
	})
	if err != nil {
		t.Fatal(err)
	}
	role, _ := access.BuiltinRole("Storage Blob Data Reader")
	_, _, err = w.Book.PutAssignment(t.Context(), access.Assignment{
		Name: w.NewID(), Scope: accountID, RoleID: role.ID, PrincipalID: readers.ObjectID, PrincipalType: access.PrincipalGroup,
	}, store.Always())
	if err != nil {
		t.Fatal(err)
	}
	got := w.Want(apptest.Request{Method: "POST", URL: blobHost + "/?restype=service&comp=userdelegationkey", As: "ada",
		Body: "<KeyInfo><Expiry>" + hours(w, 24) + "</Expiry></KeyInfo>", Header: map[string]string{"x-ms-version": "2022-11-02"}}, 200, "")
	element := func(name string) string {
		_, rest, _ := strings.Cut(got.Body, "<"+name+">")
		value, _, _ := strings.Cut(rest, "<")
		return value
	}
	secret, err := base64.StdEncoding.DecodeString(element("Value"))
	if err != nil {
		t.Fatal(err)
	}
	query := sas(w, secret, func(s signature.SAS) string { return s.DelegatedText("/blob/widemo/con/b", "") },
		"sr", "b", "sp", "r", "skoid", element("SignedOid"), "sktid", element("SignedTid"), "skt", element("SignedStart"), "ske", element("SignedExpiry"),
		"sks", element("SignedService"), "skv", element("SignedVersion"))
	runCases(t, w, []sasCase{{"by-a-group", query, "GET", blobHost + "/con/b", 200, ""}})
	if err := w.Directory.RemoveMember(t.Context(), readers.ObjectID, apptest.ObjectID("ada")); err != nil {
		t.Fatal(err)
	}
	runCases(t, w, []sasCase{{"out-of-the-group", query, "GET", blobHost + "/con/b", 403, "AuthorizationPermissionMismatch"}})
	w.Assign("ada", "Storage Blob Data Reader", accountID)
	runCases(t, w, []sasCase{{"by-itself", query, "GET", blobHost + "/con/b", 200, ""}})
	if err := w.Directory.DeletePrincipal(t.Context(), apptest.ObjectID("ada")); err != nil {
		t.Fatal(err)
	}
	runCases(t, w, []sasCase{{"deleted", query, "GET", blobHost + "/con/b", 403, "AuthenticationFailed"}})
}
