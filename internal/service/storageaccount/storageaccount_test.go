package storageaccount_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/service/storageaccount"
	"github.com/aksess/aksess/internal/storage"
)

const (
	accounts  = armtest.RG + "/providers/Microsoft.Storage/storageAccounts"
	account   = accounts + "/widemo"
	container = account + "/blobServices/default/containers/reports"
	queue     = account + "/queueServices/default/queues/jobs"
)

func body() map[string]any {
	return map[string]any{
		"location": "westeurope", "kind": "StorageV2", "sku": map[string]any{"name": "Standard_LRS"},
		"properties": map[string]any{"allowSharedKeyAccess": false},
	}
}

func start(t *testing.T) *armtest.Server {
	return armtest.New(t, armtest.Setup{Types: func(s *armtest.Server) []*arm.Type {
		return storageaccount.Types(s.Resources, config(s))
	}})
}

func config(s *armtest.Server) storage.Config {
	return storage.Config{Store: s.Store, Now: s.Now, NewID: s.NewID}
}

func withAccount(t *testing.T) *armtest.Server {
	t.Helper()
	s := start(t)
	s.Want(armtest.Request{Method: http.MethodPut, Path: account, Body: body()}, 200, "")
	return s
}

// TestAccountLife walks what Terraform's provider does to an account
// (statuses: a 201 on create is an error to it).
func TestAccountLife(t *testing.T) {
	s := start(t)
	s.Want(armtest.Request{Path: account}, 404, "ResourceNotFound")
	created := s.Want(armtest.Request{Method: http.MethodPut, Path: account, Body: body()}, 200, "")
	for path, want := range map[string]string{
		"sku.name": "Standard_LRS", "sku.tier": "Standard", "kind": "StorageV2",
		"properties.provisioningState":         "Succeeded",
		"properties.primaryEndpoints.blob":     "https://widemo.blob.core.windows.net/",
		"properties.primaryEndpoints.queue":    "https://widemo.queue.core.windows.net/",
		"properties.allowSharedKeyAccess":      "false",
		"properties.allowBlobPublicAccess":     "false",
		"properties.networkAcls.defaultAction": "Allow",
		"properties.networkAcls.bypass":        "AzureServices",
		"properties.primaryLocation":           "westeurope",
		"properties.encryption.keySource":      "Microsoft.Storage",
		"properties.supportsHttpsTrafficOnly":  "true",
		"properties.keyCreationTime.key1":      "2026-09-01T12:00:00.0000000Z",
	} {
		if got := created.Get(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if strings.Contains(created.Body, "uid") {
		t.Errorf("private state is in the answer: %s", created.Body)
	}
	changed := body()
	changed["properties"] = map[string]any{"networkAcls": map[string]any{"defaultAction": "Deny", "ipRules": []any{map[string]any{"value": "203.0.113.0/24"}}}}
	updated := s.Want(armtest.Request{Method: http.MethodPut, Path: account, Body: changed}, 200, "")
	if got := updated.Get("properties.networkAcls.ipRules.0.value"); got != "203.0.113.0/24" {
		t.Errorf("IP rule: got %q", got)
	}
	if got := updated.Get("properties.allowSharedKeyAccess"); got != "false" {
		t.Errorf("a member that was not sent: got %q, want it kept", got)
	}
	if got, want := updated.Get("properties.creationTime"), created.Get("properties.creationTime"); got != want {
		t.Errorf("creationTime: got %q, want %q", got, want)
	}
	s.Want(armtest.Request{Method: http.MethodDelete, Path: account}, 200, "")
	s.Want(armtest.Request{Method: http.MethodDelete, Path: account}, 204, "")
	s.Want(armtest.Request{Path: account}, 404, "ResourceNotFound")
}

// TestCompleted: what Azure fills in, by kind, SKU and what was sent.
func TestCompleted(t *testing.T) {
	s := start(t)
	put := func(name string, change func(map[string]any)) armtest.Response {
		b := body()
		change(b)
		return s.Want(armtest.Request{Method: http.MethodPut, Path: accounts + "/" + name, Body: b}, 200, "")
	}
	for _, test := range []struct {
		name   string
		change func(map[string]any)
		want   map[string]string
	}{
		{"locally", func(map[string]any) {}, map[string]string{
			"properties.secondaryLocation": "", "properties.secondaryEndpoints.blob": "", "properties.accessTier": "Hot",
			"properties.primaryEndpoints.table": "https://locally.table.core.windows.net/", "properties.primaryEndpoints.dfs": "https://locally.dfs.core.windows.net/",
			"properties.primaryEndpoints.file": "https://locally.file.core.windows.net/", "properties.encryption.services.blob.keyType": "Account",
		}},
		{"geo", func(b map[string]any) { b["sku"] = map[string]any{"name": "standard_grs"} }, map[string]string{
			"sku.name": "Standard_GRS", "properties.secondaryLocation": "northeurope", "properties.statusOfSecondary": "available", "properties.secondaryEndpoints.blob": "",
		}},
		{"readgeo", func(b map[string]any) { b["sku"] = map[string]any{"name": "Standard_RAGRS"} }, map[string]string{
			"properties.secondaryLocation": "northeurope", "properties.secondaryEndpoints.blob": "https://readgeo-secondary.blob.core.windows.net/", "properties.secondaryEndpoints.file": "",
		}},
		{"premium", func(b map[string]any) {
			b["sku"], b["kind"] = map[string]any{"name": "Premium_LRS"}, "blockblobstorage"
		}, map[string]string{
			"sku.tier": "Premium", "kind": "BlockBlobStorage", "properties.accessTier": "",
		}},
		{"encrypted", func(b map[string]any) {
			b["properties"] = map[string]any{"encryption": map[string]any{"keySource": "Microsoft.Storage", "services": map[string]any{"queue": map[string]any{"keyType": "Service"}}}}
		}, map[string]string{
			"properties.encryption.services.queue.keyType": "Service", "properties.encryption.services.file.enabled": "true",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.T = t
			got := put(test.name, test.change)
			for path, want := range test.want {
				if got.Get(path) != want {
					t.Errorf("%s: got %q, want %q", path, got.Get(path), want)
				}
			}
		})
	}
	s.T = t
	if got := put("geo", func(map[string]any) {}); got.Get("properties.secondaryLocation") != "" {
		t.Errorf("no longer redundant: got %s", got.Body)
	}
	s.Want(armtest.Request{Path: accounts + "/geo/managementPolicies/default"}, 404, "ResourceNotFound")
	s.Want(armtest.Request{Method: http.MethodPut, Path: accounts + "/geo/managementPolicies/default", Body: `{"properties":{"policy":{"rules":[]}}}`}, 501, "FeatureNotSupportedForAccount")
	s.Want(armtest.Request{Method: http.MethodDelete, Path: accounts + "/geo/managementPolicies/default"}, 204, "")
}

func TestAccountRefused(t *testing.T) {
	s := withAccount(t)
	alter := func(change func(map[string]any)) map[string]any {
		b := body()
		change(b)
		return b
	}
	property := func(name string, value any) map[string]any {
		return alter(func(b map[string]any) { b["properties"] = map[string]any{name: value} })
	}
	for _, test := range []struct {
		name   string
		path   string
		body   map[string]any
		status int
		code   string
	}{
		{"short-name", accounts + "/ab", body(), 400, "AccountNameInvalid"},
		{"upper-case-name", accounts + "/WiDemo", body(), 400, "AccountNameInvalid"},
		{"name-of-another-group", strings.Replace(account, "/rg/", "/other/", 1), body(), 404, "ResourceGroupNotFound"},
		{"no-sku", account, alter(func(b map[string]any) { delete(b, "sku") }), 200, ""},
		{"unknown-sku", account, alter(func(b map[string]any) { b["sku"] = map[string]any{"name": "Gold"} }), 400, "SkuMissing"},
		{"unknown-kind", account, alter(func(b map[string]any) { b["kind"] = "Cupboard" }), 400, "InvalidRequestPropertyValue"},
		{"unknown-tier", account, property("accessTier", "Tepid"), 400, "InvalidRequestPropertyValue"},
		{"wrong-json-type", account, property("allowSharedKeyAccess", "no"), 400, "InvalidRequestPropertyValue"},
		{"default-action", account, property("networkAcls", map[string]any{"defaultAction": "Maybe"}), 400, "InvalidRequestPropertyValue"},
		{"private-address", account, property("networkAcls", map[string]any{"ipRules": []any{map[string]any{"value": "10.0.0.1"}}}), 400, "InvalidValuesForRequestParameters"},
		{"loopback-address", account, property("networkAcls", map[string]any{"ipRules": []any{map[string]any{"value": "127.0.0.1"}}}), 400, "InvalidValuesForRequestParameters"},
		{"no-address", account, property("networkAcls", map[string]any{"ipRules": []any{map[string]any{"value": "everyone"}}}), 400, "InvalidValuesForRequestParameters"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.T = t
			s.Want(armtest.Request{Method: http.MethodPut, Path: test.path, Body: test.body}, test.status, test.code)
		})
	}
	s.T = t
	s.Want(armtest.Request{Method: http.MethodPut, Path: account, Body: body(), As: armtest.Reader}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Method: http.MethodPut, Path: account, Body: body(), As: armtest.Elsewhere}, 401, "InvalidAuthenticationTokenAudience")
}

// TestFirewallInAnotherSpelling: names of members compare without case. A
// firewall must not be open because it was written in another case than the
// members that are assumed.
func TestFirewallInAnotherSpelling(t *testing.T) {
	for name, properties := range map[string]string{
		"member": `{"networkACLs":{"defaultAction":"Deny"}}`,
		"within": `{"networkAcls":{"DefaultAction":"Deny"}}`,
		"both":   `{"networkAcls":{"defaultAction":"Deny"},"networkaCLS":{"defaultAction":"Allow"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			got := s.Do(armtest.Request{Method: http.MethodPut, Path: account, Body: `{"location":"westeurope","kind":"StorageV2","sku":{"name":"Standard_LRS"},"properties":` + properties + `}`})
			if got.Status != 400 || got.Code() != "InvalidRequestContent" {
				t.Errorf("got %d %s, want 400 InvalidRequestContent", got.Status, got.Body)
			}
			s.Want(armtest.Request{Path: account}, 404, "ResourceNotFound")
		})
	}
}

func TestKeys(t *testing.T) {
	s := withAccount(t)
	listed := s.Want(armtest.Request{Method: http.MethodPost, Path: account + "/listKeys?$expand=kerb"}, 200, "")
	first, second := listed.Get("keys.0.value"), listed.Get("keys.1.value")
	if raw, err := base64.StdEncoding.DecodeString(first); err != nil || len(raw) != 64 || first == second {
		t.Errorf("got keys %q and %q, want two of 64 bytes", first, second)
	}
	if got := listed.Get("keys.0.permissions"); got != "FULL" {
		t.Errorf("permissions: got %q, want FULL", got)
	}
	again := s.Want(armtest.Request{Method: http.MethodPost, Path: account + "/regenerateKey", Body: map[string]string{"keyName": "key1"}}, 200, "")
	if again.Get("keys.0.value") == first || again.Get("keys.1.value") != second {
		t.Errorf("got %s, want key1 new and key2 kept", again.Body)
	}
	s.Want(armtest.Request{Method: http.MethodPost, Path: account + "/regenerateKey", Body: map[string]string{"keyName": "key9"}}, 400, "InvalidKeyName")
	s.Want(armtest.Request{Method: http.MethodPost, Path: account + "/listKeys", As: armtest.Reader}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Method: http.MethodPost, Path: accounts + "/other/listKeys"}, 404, "ResourceNotFound")
}

func TestCheckName(t *testing.T) {
	s := withAccount(t)
	for name, want := range map[string]string{"free": "", "widemo": "AlreadyExists", "No": "AccountNameInvalid"} {
		r := s.Want(armtest.Request{Method: http.MethodPost, Path: armtest.S + "/providers/Microsoft.Storage/checkNameAvailability",
			Body: map[string]string{"name": name, "type": "Microsoft.Storage/storageAccounts"}}, 200, "")
		if got := r.Get("reason"); got != want || (r.Get("nameAvailable") == "true") != (want == "") {
			t.Errorf("%s: got %s, want reason %q", name, r.Body, want)
		}
	}
}

func TestServices(t *testing.T) {
	s := withAccount(t)
	for _, name := range []string{"blobServices", "queueServices", "fileServices", "tableServices"} {
		path := account + "/" + name + "/default"
		r := s.Want(armtest.Request{Path: path}, 200, "")
		if got := r.Get("name"); got != "default" || r.Get("id") != path {
			t.Errorf("%s: got %s", name, r.Body)
		}
		s.Want(armtest.Request{Path: account + "/" + name + "/other"}, 404, "ResourceNotFound")
		s.Want(armtest.Request{Path: accounts + "/missing/" + name + "/default"}, 404, "")
	}
}

// TestServiceSettings: what is set is shown, at the next read and on the data
// planes, and what Azure refuses is refused.
func TestServiceSettings(t *testing.T) {
	s := withAccount(t)
	blob, file := account+"/blobServices/default", account+"/fileServices/default"
	const rule = `{"allowedOrigins":["https://example.com"],"allowedMethods":["GET","PUT"],"allowedHeaders":["*"],"exposedHeaders":["x-ms-*"],"maxAgeInSeconds":60}`
	s.Want(armtest.Request{Method: http.MethodPut, Path: blob, Body: `{"properties":{"deleteRetentionPolicy":{"enabled":true,"days":7},` +
		`"containerDeleteRetentionPolicy":{"enabled":true,"days":30},"isVersioningEnabled":true,"changeFeed":{"enabled":true},` +
		`"lastAccessTimeTrackingPolicy":{"enable":false},"cors":{"corsRules":[` + rule + `]}}}`}, 200, "")
	shown := s.Want(armtest.Request{Path: blob}, 200, "")
	for path, want := range map[string]string{
		"properties.deleteRetentionPolicy.enabled": "true", "properties.deleteRetentionPolicy.days": "7",
		"properties.deleteRetentionPolicy.allowPermanentDelete": "false",
		"properties.containerDeleteRetentionPolicy.days":        "30", "properties.isVersioningEnabled": "true",
		"properties.changeFeed.enabled": "true", "properties.lastAccessTimeTrackingPolicy.enable": "false",
		"properties.cors.corsRules.0.allowedOrigins.0": "https://example.com", "properties.cors.corsRules.0.maxAgeInSeconds": "60",
		"sku.name": "Standard_LRS",
	} {
		if got := shown.Get(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	resource, err := s.Resources.ByName(t.Context(), storage.TypeAccount, "widemo")
	if err != nil {
		t.Fatal(err)
	}
	of, err := storage.DecodeAccount(storage.Account{ID: resource.ID, Name: resource.Name}, resource.Properties, resource.Private)
	if err != nil {
		t.Fatal(err)
	}
	services := storage.NewServices(config(s))
	if got, err := services.Get(t.Context(), of, "blob"); err != nil || got.DeleteRetention.Days != 7 || len(got.CORS) != 1 {
		t.Errorf("on the data plane: got %+v, %v", got, err)
	}
	off := s.Want(armtest.Request{Method: http.MethodPut, Path: blob, Body: `{"properties":{"deleteRetentionPolicy":{"enabled":false},"cors":{}}}`}, 200, "")
	if off.Get("properties.deleteRetentionPolicy.enabled") != "false" || off.Get("properties.cors.corsRules.0.maxAgeInSeconds") != "" {
		t.Errorf("switched off: got %s", off.Body)
	}
	s.Want(armtest.Request{Method: http.MethodPut, Path: file, Body: `{"properties":{"shareDeleteRetentionPolicy":{"enabled":true,"days":14},"protocolSettings":{"smb":{"versions":"SMB3.1.1;"}}}}`}, 200, "")
	if got := s.Want(armtest.Request{Path: file}, 200, ""); got.Get("properties.shareDeleteRetentionPolicy.days") != "14" || got.Get("properties.protocolSettings.smb.versions") != "SMB3.1.1;" {
		t.Errorf("files: got %s", got.Body)
	}
	for name, body := range map[string]string{
		"days":    `{"properties":{"deleteRetentionPolicy":{"enabled":true,"days":400}}}`,
		"no-days": `{"properties":{"containerDeleteRetentionPolicy":{"enabled":true}}}`,
		"type":    `{"properties":{"isVersioningEnabled":"yes"}}`,
		"method":  `{"properties":{"cors":{"corsRules":[` + strings.Replace(rule, "PUT", "BREW", 1) + `]}}}`,
		"rules":   `{"properties":{"cors":{"corsRules":[` + strings.Repeat(rule+",", 5) + rule + `]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s.T = t
			s.Want(armtest.Request{Method: http.MethodPut, Path: blob, Body: body}, 400, "InvalidRequestPropertyValue")
		})
	}
	s.T = t
	s.Want(armtest.Request{Method: http.MethodDelete, Path: blob}, 405, "OperationNotAllowed")
	s.Want(armtest.Request{Method: http.MethodPut, Path: blob, Body: `{}`, As: armtest.Reader}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Method: http.MethodDelete, Path: account}, 200, "")
	if got, err := services.Get(t.Context(), of, "blob"); err != nil || got.Version != 0 {
		t.Errorf("after the account: got %+v, %v", got, err)
	}
}

func TestContainerLife(t *testing.T) {
	s := withAccount(t)
	s.Want(armtest.Request{Path: container}, 404, "")
	created := s.Want(armtest.Request{Method: http.MethodPut, Path: container, Body: `{"properties":{"publicAccess":"None","metadata":{"team":"red"}}}`}, 201, "")
	for path, want := range map[string]string{
		"id": container, "name": "reports", "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
		"properties.publicAccess": "None", "properties.defaultEncryptionScope": "$account-encryption-key",
		"properties.denyEncryptionScopeOverride": "false", "properties.hasLegalHold": "false",
		"properties.hasImmutabilityPolicy": "false", "properties.metadata.team": "red",
	} {
		if got := created.Get(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	s.Want(armtest.Request{Method: http.MethodPut, Path: container, Body: `{"properties":{}}`}, 200, "")
	patched := s.Want(armtest.Request{Method: http.MethodPatch, Path: container, Body: `{"properties":{"metadata":{"team":"blue"}}}`}, 200, "")
	if got := patched.Get("properties.metadata.team"); got != "blue" {
		t.Errorf("after PATCH: got %q, want blue", got)
	}
	listed := s.Want(armtest.Request{Path: strings.TrimSuffix(container, "/reports")}, 200, "")
	if got := listed.Get("value.0.id"); listed.Len() != 1 || got != container {
		t.Errorf("list: got %s", listed.Body)
	}
	s.Want(armtest.Request{Method: http.MethodPut, Path: container, Body: `{"properties":{"publicAccess":"Blob"}}`}, 409, "PublicAccessNotPermitted")
	s.Want(armtest.Request{Method: http.MethodPut, Path: container + "--x", Body: `{}`}, 400, "InvalidResourceName")
	s.Want(armtest.Request{Method: http.MethodPut, Path: container, Body: `{}`, As: armtest.Reader}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Method: http.MethodPut, Path: strings.Replace(container, "widemo", "missing", 1), Body: `{}`}, 404, "")
	s.Want(armtest.Request{Method: http.MethodDelete, Path: container}, 200, "")
	s.Want(armtest.Request{Method: http.MethodDelete, Path: container}, 204, "")
}

func TestQueueLife(t *testing.T) {
	s := withAccount(t)
	s.Want(armtest.Request{Path: queue}, 404, "")
	created := s.Want(armtest.Request{Method: http.MethodPut, Path: queue, Body: `{"properties":{"metadata":{"team":"red"}}}`}, 200, "")
	if got := created.Get("properties.metadata.team"); got != "red" || created.Get("id") != queue {
		t.Errorf("got %s", created.Body)
	}
	s.Want(armtest.Request{Method: http.MethodPut, Path: queue, Body: `{"properties":{"metadata":{"team":"blue"}}}`}, 200, "")
	if got := s.Want(armtest.Request{Path: queue}, 200, "").Get("properties.metadata.team"); got != "blue" {
		t.Errorf("got %q, want blue", got)
	}
	if got := s.Want(armtest.Request{Path: strings.TrimSuffix(queue, "/jobs")}, 200, ""); got.Len() != 1 {
		t.Errorf("list: got %s", got.Body)
	}
	s.Want(armtest.Request{Method: http.MethodPut, Path: queue + "_x", Body: `{}`}, 400, "InvalidResourceName")
	s.Want(armtest.Request{Method: http.MethodDelete, Path: queue}, 204, "")
	s.Want(armtest.Request{Path: queue}, 404, "")
}

// TestSameObjects: what Resource Manager makes is what the data planes find,
// and both go with the account.
func TestSameObjects(t *testing.T) {
	s := withAccount(t)
	s.Want(armtest.Request{Method: http.MethodPut, Path: container, Body: `{}`}, 201, "")
	s.Want(armtest.Request{Method: http.MethodPut, Path: queue, Body: `{}`}, 200, "")
	resource, err := s.Resources.ByName(t.Context(), storage.TypeAccount, "widemo")
	if err != nil {
		t.Fatal(err)
	}
	of, err := storage.DecodeAccount(storage.Account{ID: resource.ID, Name: resource.Name}, resource.Properties, resource.Private)
	if err != nil {
		t.Fatal(err)
	}
	blobs, queues := storage.NewBlobs(config(s)), storage.NewQueues(config(s))
	if _, err := blobs.Container(t.Context(), of, "reports"); err != nil {
		t.Errorf("the container on the data plane: %v", err)
	}
	if _, err := queues.Queue(t.Context(), of, "jobs"); err != nil {
		t.Errorf("the queue on the data plane: %v", err)
	}
	if _, err := blobs.CreateContainer(t.Context(), of, "logs", "", nil); err != nil {
		t.Fatal(err)
	}
	logs := armtest.Request{Path: account + "/blobServices/default/containers/logs"}
	wantLease := func(state, status string) {
		t.Helper()
		got := s.Want(logs, 200, "")
		if got.Get("properties.leaseState") != state || got.Get("properties.leaseStatus") != status {
			t.Errorf("lease: got %s, want %s and %s", got.Body, state, status)
		}
	}
	wantLease("Available", "Unlocked")
	if _, err := blobs.LeaseContainer(t.Context(), of, "logs", storage.Conditions{}, storage.AcquireLease("00000000-0000-4000-8000-00000000001e", storage.Infinite)); err != nil {
		t.Fatal(err)
	}
	wantLease("Leased", "Locked")
	s.Want(armtest.Request{Method: http.MethodDelete, Path: account}, 200, "")
	if found, _, err := blobs.Containers(t.Context(), of, storage.Page{Limit: 10}); err != nil || len(found) != 0 {
		t.Errorf("after the account: got %v containers, %v", found, err)
	}
	if found, _, err := queues.List(t.Context(), of, storage.Page{Limit: 10}); err != nil || len(found) != 0 {
		t.Errorf("after the account: got %v queues, %v", found, err)
	}
}

// TestForgottenWithTheContainer: what is kept under the id of a container goes
// with it, so that one made anew under its name starts without.
func TestForgottenWithTheContainer(t *testing.T) {
	s := withAccount(t)
	var forgotten []string
	s.Resources.Forget = func(_ context.Context, id string) error {
		forgotten = append(forgotten, id)
		return nil
	}
	for _, id := range []string{container, queue} {
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			if got := s.Do(armtest.Request{Method: method, Path: id, Body: "{}"}); got.Status >= 300 {
				t.Fatalf("%s %s: got %d %s", method, id, got.Status, got.Body)
			}
		}
	}
	if !slices.Equal(forgotten, []string{container, queue}) {
		t.Errorf("got %q, want the container and the queue", forgotten)
	}
}
