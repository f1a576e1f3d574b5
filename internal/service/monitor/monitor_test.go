package monitor_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
)

const (
	provider  = apptest.Group + "/providers/Microsoft.OperationalInsights/"
	workspace = provider + "workspaces/scenario-law"
	deleted   = apptest.Subscription + "/providers/Microsoft.OperationalInsights/deletedWorkspaces"
	at        = `"location":"` + apptest.Location + `"`
	body      = `{` + at + `,"name":"scenario-law","tags":{"Service":"log_analytics"},"properties":{"sku":{"name":"PerGB2018"},"retentionInDays":30,
		"publicNetworkAccessForIngestion":"Enabled","publicNetworkAccessForQuery":"Enabled","features":{"disableLocalAuth":false,"enableLogAccessUsingOnlyResourcePermissions":true}}}`
)

func versioned(id, version string) string {
	return "management.azure.com" + id + "?api-version=" + version
}

func get(w *apptest.World, id string) apptest.Response {
	w.T.Helper()
	return w.Want(apptest.Request{URL: id}, http.StatusOK, "")
}

func remove(w *apptest.World, query string, status int) {
	w.T.Helper()
	w.Want(apptest.Request{Method: "DELETE", URL: versioned(workspace, "2020-08-01") + query}, status, "")
}

func wants(t *testing.T, what string, r apptest.Response, members map[string]string) {
	t.Helper()
	for path, want := range members {
		if got := r.Get(path); got != want {
			t.Errorf("%s, %s: got %q, want %q in %s", what, path, got, want, r.Body)
		}
	}
}

func TestWorkspace(t *testing.T) {
	w := apptest.New(t, nil)
	w.Want(apptest.Request{URL: workspace}, 404, "ResourceNotFound")
	wants(t, "deleted", get(w, deleted), map[string]string{"value": "[]"})
	first := w.Put(workspace, body, 201)
	again := w.Put(workspace, body, 200) // the provider sends it twice
	for _, version := range []string{"2025-07-01", "2023-09-01", "2020-08-01"} {
		got := w.Want(apptest.Request{URL: versioned(workspace, version)}, 200, "")
		wants(t, version, got, map[string]string{
			"properties.provisioningState": "Succeeded", "properties.features.enableLogAccessUsingOnlyResourcePermissions": "true", "properties.features.disableLocalAuth": "false",
			"properties.sku.name": "PerGB2018", "properties.retentionInDays": "30", "properties.workspaceCapping.dailyQuotaGb": "-1", "tags.Service": "log_analytics",
			"properties.customerId": first.Get("properties.customerId"), "properties.createdDate": first.Get("properties.createdDate"),
		})
	}
	if id := again.Get("properties.customerId"); len(id) != 36 {
		t.Errorf("customerId: got %q, want a GUID", id)
	}
	w.Want(apptest.Request{Method: "PATCH", URL: workspace, Body: `{"tags":{},"properties":{"retentionInDays":90,"workspaceCapping":{"dailyQuotaGb":0.5}}}`}, 200, "")
	wants(t, "patched", get(w, workspace), map[string]string{"properties.retentionInDays": "90", "properties.workspaceCapping.dailyQuotaGb": "0.5", "tags": "", "properties.sku.name": "PerGB2018"})
	w.Put(workspace, body, 200)
	wants(t, "put again", get(w, workspace), map[string]string{"properties.retentionInDays": "30", "properties.workspaceCapping.dailyQuotaGb": "-1"})
	wants(t, "defaults", w.Put(provider+"workspaces/plain", `{`+at+`}`, 201), map[string]string{"properties.sku.name": "PerGB2018", "properties.retentionInDays": "30", "properties.publicNetworkAccessForQuery": "Enabled"})
}

func TestWorkspaceRefuses(t *testing.T) {
	w := apptest.New(t, nil)
	for name, properties := range map[string]string{
		"sku": `{"sku":{"name":"Golden"}}`, "sku_text": `{"sku":"Free"}`, "retention": `{"retentionInDays":7}`, "retention_long": `{"retentionInDays":731}`,
		"retention_part": `{"retentionInDays":30.5}`, "retention_text": `{"retentionInDays":"30"}`, "quota": `{"workspaceCapping":{"dailyQuotaGb":0}}`,
		"capping": `{"workspaceCapping":[]}`, "features": `{"features":true}`, "access": `{"publicNetworkAccessForQuery":"Maybe"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.Want(apptest.Request{Method: "PUT", URL: workspace, Body: `{` + at + `,"properties":` + properties + `}`}, 400, "InvalidParameter")
		})
	}
	w.T = t
	w.Put(workspace, `{`+at+`,"properties":{"sku":{"name":"free"},"retentionInDays":7}}`, 201)
	w.Want(apptest.Request{Method: "PUT", URL: provider + "workspaces/-no", Body: body}, 400, "InvalidResourceName")
}

func TestSharedKeys(t *testing.T) {
	w := apptest.New(t, nil)
	w.Put(workspace, body, 201)
	keys := func(action string) apptest.Response {
		t.Helper()
		return w.Want(apptest.Request{Method: "POST", URL: versioned(workspace+"/"+action, "2020-08-01")}, 200, "")
	}
	first := keys("sharedKeys")
	if len(first.Get("primarySharedKey")) != 88 || first.Get("primarySharedKey") == first.Get("secondarySharedKey") {
		t.Errorf("got %s, want two keys of 64 bytes", first.Body)
	}
	w.Put(workspace, body, 200)
	if again := keys("sharedKeys"); again.Body != first.Body {
		t.Errorf("after an update: got %s, want %s", again.Body, first.Body)
	}
	fresh := keys("regenerateSharedKey")
	if fresh.Get("primarySharedKey") == first.Get("primarySharedKey") || keys("sharedKeys").Body != fresh.Body {
		t.Errorf("regenerated: got %s, want others that stay", fresh.Body)
	}
	w.Assign("reader", "Reader", apptest.Subscription)
	w.Want(apptest.Request{Method: "POST", URL: workspace + "/sharedKeys", As: "reader"}, 403, "AuthorizationFailed")
}

func TestDeletedWorkspacesComeBack(t *testing.T) {
	w := apptest.New(t, nil)
	before := w.Put(workspace, body, 201).Get("properties.customerId")
	key := w.Want(apptest.Request{Method: "POST", URL: workspace + "/sharedKeys"}, 200, "").Body
	remove(w, "&force=false", 200)
	w.Want(apptest.Request{URL: workspace}, 404, "ResourceNotFound")
	remove(w, "", 204)
	wants(t, "deleted", get(w, deleted), map[string]string{"value.0.id": workspace, "value.0.properties.customerId": before, "value.1": ""})
	wants(t, "of the group", get(w, provider+"deletedWorkspaces"), map[string]string{"value.0.name": "scenario-law"})
	w.Put(apptest.Subscription+"/resourceGroups/rg2", `{`+at+`}`, 201)
	other := apptest.Subscription + "/resourceGroups/rg2/providers/Microsoft.OperationalInsights/"
	wants(t, "of another group", get(w, other+"deletedWorkspaces"), map[string]string{"value": "[]"})
	w.Put(other+"workspaces/scenario-law", body, 201) // a name is one of its group's
	w.Advance(13 * 24 * time.Hour)
	wants(t, "recovered", w.Put(workspace, body, 201), map[string]string{"properties.customerId": before})
	if again := w.Want(apptest.Request{Method: "POST", URL: workspace + "/sharedKeys"}, 200, ""); again.Body != key {
		t.Errorf("keys: got %s, want %s", again.Body, key)
	}
	wants(t, "none left", get(w, deleted), map[string]string{"value": "[]"})
	remove(w, "&force=true", 200)
	wants(t, "by force", get(w, deleted), map[string]string{"value": "[]"})
	after := w.Put(workspace, body, 201).Get("properties.customerId")
	if after == before {
		t.Error("after a delete by force the workspace is the old one")
	}
	remove(w, "", 200)
	w.Advance(14 * 24 * time.Hour)
	wants(t, "after its time", get(w, deleted), map[string]string{"value": "[]"})
	if late := w.Put(workspace, body, 201).Get("properties.customerId"); late == after {
		t.Error("after its time the workspace is the old one")
	}
	w.Want(apptest.Request{URL: apptest.Subscription + "/resourceGroups/none/providers/Microsoft.OperationalInsights/deletedWorkspaces"}, 404, "ResourceGroupNotFound")
}

// FuzzBody puts any body: nothing but a 4xx, or a workspace that can be put again.
func FuzzBody(f *testing.F) {
	w := apptest.New(f, nil)
	f.Add(body)
	f.Add(`{` + at + `,"properties":{"sku":null,"features":{"a":[{}]},"workspaceCapping":{"dailyQuotaGb":1e300}}}`)
	f.Add(`{` + at + `,"identity":{"type":"SystemAssigned"},"properties":{"retentionInDays":-1}}`)
	f.Fuzz(func(t *testing.T, body string) {
		w.T = t
		put := w.Do(apptest.Request{Method: "PUT", URL: workspace, Body: body})
		if put.Status >= 500 {
			t.Fatalf("PUT %q: got %d %s", body, put.Status, put.Body)
		}
		if put.Status < 400 {
			w.Want(apptest.Request{Method: "PUT", URL: workspace, Body: get(w, workspace).Body}, 200, "")
			w.Want(apptest.Request{Method: "DELETE", URL: workspace}, 200, "")
		}
	})
}
