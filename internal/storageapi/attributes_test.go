package storageapi_test

import (
	"testing"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/store"
)

const blobsAction = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"

// conditional assigns a role at the account on a condition.
func conditional(w *apptest.World, caller, role, condition string) {
	w.T.Helper()
	definition, found := access.BuiltinRole(role)
	if !found {
		w.T.Fatalf("no built-in role %q", role)
	}
	_, _, err := w.Book.PutAssignment(w.T.Context(), access.Assignment{
		Name: w.NewID(), Scope: accountID, RoleID: definition.ID, PrincipalID: apptest.ObjectID(caller), PrincipalType: "ServicePrincipal",
		Condition: condition, Version: "2.0",
	}, store.Always())
	if err != nil {
		w.T.Fatalf("assigning %q to %s: %v", role, caller, err)
	}
}

// TestConditions: role assignments with conditions on the attributes of blobs,
// containers and queues, in the form of Azure's examples
// (https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-examples).
func TestConditions(t *testing.T) {
	const containerName = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'con'"
	w := world(t)
	w.Assign(apptest.Owner, "Storage Blob Data Owner", accountID)
	for _, name := range []string{"con/dir/a", "con/b"} {
		w.Want(apptest.Request{Method: "PUT", URL: blobHost + "/" + name, Header: map[string]string{"x-ms-blob-type": "BlockBlob"}}, 201, "")
	}
	w.Want(apptest.Request{Method: "PUT", URL: blobHost + "/other?restype=container"}, 201, "")
	read, write := "!(ActionMatches{'"+blobsAction+"/read'}", "!(ActionMatches{'"+blobsAction+"/write'}"
	add := "!(ActionMatches{'" + blobsAction + "/add/action'}" // else a new blob may be added anywhere, as in Azure
	conditional(w, "container", "Storage Blob Data Contributor", "(("+read+") AND "+write+") AND "+add+")) OR ("+containerName+"))")
	conditional(w, "path", "Storage Blob Data Reader", "(("+read+" AND NOT SubOperationMatches{'Blob.List'})) OR (@Resource["+blobsAction+":path] StringLike 'dir/*'))")
	conditional(w, "prefix", "Storage Blob Data Reader", "(("+read+" AND SubOperationMatches{'Blob.List'})) OR (@Request["+blobsAction+":prefix] StringStartsWith 'dir/'))")
	conditional(w, "tier", "Storage Blob Data Contributor", "(("+write+" AND SubOperationMatches{'Blob.Write.Tier'})) OR (@Resource["+blobsAction+":path] StringEquals 'never'))")
	conditional(w, "account", "Storage Blob Data Reader", "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'another'")
	conditional(w, "queue", "Storage Queue Data Reader", "@Resource[Microsoft.Storage/storageAccounts/queueServices/queues:name] StringEquals 'jobs'")
	conditional(w, "no-queue", "Storage Queue Data Reader", "@Resource[Microsoft.Storage/storageAccounts/queueServices/queues:name] StringEquals 'more'")
	list := blobHost + "/con?restype=container&comp=list"
	for _, test := range []struct {
		name, as, method, url string
		status                int
	}{
		{"container-write", "container", "PUT", blobHost + "/con/new", 201},
		{"container-read", "container", "GET", blobHost + "/con/b", 200},
		{"container-list", "container", "GET", list, 200},
		{"other-container", "container", "PUT", blobHost + "/other/new", 403},
		{"path", "path", "GET", blobHost + "/con/dir/a", 200},
		{"other-path", "path", "GET", blobHost + "/con/b", 403},
		{"list-is-not-read", "path", "GET", list, 200},
		{"prefix", "prefix", "GET", list + "&prefix=dir%2F", 200},
		{"other-prefix", "prefix", "GET", list + "&prefix=b", 403},
		{"no-prefix", "prefix", "GET", list, 403},
		{"read-is-not-list", "prefix", "GET", blobHost + "/con/b", 200},
		{"tier", "tier", "PUT", blobHost + "/con/b?comp=tier", 403},
		{"write-is-not-tier", "tier", "PUT", blobHost + "/con/b", 201},
		{"account", "account", "GET", blobHost + "/con/b", 403},
		{"queue", "queue", "GET", queueHost + "/jobs/messages?peekonly=true", 200},
		{"other-queue", "no-queue", "GET", queueHost + "/jobs/messages?peekonly=true", 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.T = t
			got := w.Do(apptest.Request{Method: test.method, URL: test.url, As: test.as, Header: map[string]string{
				"x-ms-version": "2023-11-03", "x-ms-blob-type": "BlockBlob", "x-ms-access-tier": "Cool",
			}})
			if got.Status != test.status {
				t.Errorf("got %d %s, want %d", got.Status, got.Body, test.status)
			}
		})
	}
	w.T = t
	testTagConditions(t, w)
	// The conditions ask for the source of a copy, not for its destination.
	w.Want(apptest.Request{Method: "PUT", URL: blobHost + "/other/a", Header: map[string]string{"x-ms-blob-type": "BlockBlob"}}, 201, "")
	for source, want := range map[string]int{"con/b": 202, "other/a": 403} {
		got := w.Do(apptest.Request{Method: "PUT", URL: blobHost + "/con/copy", As: "container", Header: map[string]string{
			"x-ms-version": "2023-11-03", "x-ms-copy-source": "https://" + blobHost + "/" + source,
		}})
		if got.Status != want {
			t.Errorf("copy of %s: got %d %s, want %d", source, got.Status, got.Body, want)
		}
	}
}

// testTagConditions: a blob is read by its tags, and written with certain ones alone
// (https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-examples#blob-index-tags).
func testTagConditions(t *testing.T, w *apptest.World) {
	t.Helper()
	conditional(w, "cascade", "Storage Blob Data Reader",
		"((!(ActionMatches{'"+blobsAction+"/read'} AND NOT SubOperationMatches{'Blob.List'})) OR (@Resource["+blobsAction+"/tags:Project<$key_case_sensitive$>] StringEquals 'Cascade'))")
	conditional(w, "tagger", "Storage Blob Data Owner",
		"((!(ActionMatches{'"+blobsAction+"/write'} AND SubOperationMatches{'Blob.Write.WithTagHeaders'}) AND !(ActionMatches{'"+blobsAction+"/add/action'} AND SubOperationMatches{'Blob.Write.WithTagHeaders'})) OR "+
			"(@Request["+blobsAction+"/tags&$keys$&] ForAllOfAnyValues:StringEquals {'Project', 'Program'}))")
	put := func(as, blob, tags string) apptest.Request {
		return apptest.Request{Method: "PUT", URL: blobHost + "/con/" + blob, As: as, Header: map[string]string{
			"x-ms-version": "2023-11-03", "x-ms-blob-type": "BlockBlob", "x-ms-tags": tags,
		}}
	}
	for _, test := range []struct {
		r      apptest.Request
		status int
	}{
		{put("tagger", "tagged", "Project=Cascade"), 201},
		{put("tagger", "other", "Project=Baker&Program=x"), 201},
		{put("tagger", "third", "Team=x"), 403},
		{apptest.Request{URL: blobHost + "/con/tagged", As: "cascade"}, 200},
		{apptest.Request{URL: blobHost + "/con/other", As: "cascade"}, 403},
		{apptest.Request{URL: blobHost + "/con/none", As: "cascade"}, 403},
	} {
		if got := w.Do(test.r); got.Status != test.status {
			t.Errorf("%s %s %s as %s: got %d %s, want %d", test.r.Method, test.r.URL, test.r.Header["x-ms-tags"], test.r.As, got.Status, got.Body, test.status)
		}
	}
}
