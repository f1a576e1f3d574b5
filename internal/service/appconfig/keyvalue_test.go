package appconfig_test

import (
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

// TestKeyValueResources is what a deployment of Bicep sends.
func TestKeyValueResources(t *testing.T) {
	w := start(t)
	id := storeID + "/keyValues/app~2Fname$prod"
	w.Want(apptest.Request{URL: id}, 404, "ResourceNotFound")
	w.Want(apptest.Request{Method: "DELETE", URL: id}, 204, "")
	put := w.Put(id, `{"properties":{"value":"1","contentType":"text","tags":{"a":"b"}}}`, 200)
	setting := w.want(at("GET", "/kv/app%2Fname?label=prod", nil), 200)
	want := `{"contentType":"text","eTag":"` + setting.Get("etag") + `","key":"app/name","label":"prod","lastModified":"2026-09-01T12:00:00+00:00","locked":false,"tags":{"a":"b"},"value":"1"}`
	if put.Get("properties") != want || put.Get("id") != id || put.Get("type") != "Microsoft.AppConfiguration/configurationStores/keyValues" {
		t.Errorf("got %s, want properties %s", put.Body, want)
	}
	if got := w.Want(apptest.Request{URL: id}, 200, ""); got.Body != put.Body {
		t.Errorf("got %s, want %s", got.Body, put.Body)
	}
	w.Put(id, `{"properties":{"value":"2"}}`, 200)
	w.wantValues("/revisions", "2 1")
	w.want(at("PUT", "/locks/app%2Fname?label=prod", nil), 200)
	w.Want(apptest.Request{Method: "PUT", URL: id, Body: `{}`}, 409, "Conflict")
	w.Want(apptest.Request{Method: "DELETE", URL: id}, 409, "Conflict")
	w.want(at("DELETE", "/locks/app%2Fname?label=prod", nil), 200)
	w.Want(apptest.Request{Method: "DELETE", URL: id}, 200, "")
	w.want(at("GET", "/kv/app%2Fname?label=prod", nil), 404)
	w.Want(apptest.Request{Method: "PUT", URL: id, Body: `{"properties":{"value":5}}`}, 400, "InvalidRequestContent")
	w.Want(apptest.Request{Method: "PUT", URL: storeID + "/keyValues/$x", Body: `{}`}, 400, "InvalidResourceName")
	w.Want(apptest.Request{Method: "PUT", URL: storeID + "x/keyValues/one", Body: `{}`}, 404, "ResourceNotFound")
}

func TestKeyValueResourcesAreGuarded(t *testing.T) {
	w := start(t)
	id := storeID + "/keyValues/one"
	w.Put(id, `{"properties":{"value":"1"}}`, 200)
	w.Assign("arm-reader", "Reader", apptest.Subscription)
	w.Assign("manager", "App Configuration Contributor", storeID)
	get := func(as string) apptest.Request { return apptest.Request{URL: id, As: as} }
	w.Want(get("arm-reader"), 403, "AuthorizationFailed") // it may not list the keys
	w.Want(get(nobody), 403, "AuthorizationFailed")
	w.Want(get("manager"), 200, "")
	patch := func(properties string) {
		w.Want(apptest.Request{Method: "PATCH", URL: storeID, Body: `{"properties":` + properties + `}`}, 200, "")
	}
	patch(`{"disableLocalAuth":true}`)
	w.Want(get("manager"), 403, "Forbidden")
	patch(`{"dataPlaneProxy":{"authenticationMode":"Pass-through"}}`)
	w.Want(get("manager"), 403, "AuthorizationFailed") // it has no data action
	w.Assign("manager", "App Configuration Data Reader", storeID)
	w.Want(get("manager"), 200, "")
	write := apptest.Request{Method: "PUT", URL: id, As: "manager", Body: `{}`}
	w.Want(write, 403, "AuthorizationFailed")
	w.Assign("manager", "App Configuration Data Owner", storeID)
	w.Want(write, 200, "")
	patch(`{"publicNetworkAccess":"Disabled"}`)
	w.Want(get("manager"), 403, "Forbidden")
	patch(`{"dataPlaneProxy":{"privateLinkDelegation":"Enabled"}}`)
	w.Want(get("manager"), 200, "")
}
