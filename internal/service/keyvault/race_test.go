package keyvault_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/store"
)

// racing lets another writer in just before a write, once.
type racing struct {
	store.Store
	before func()
}

func (r *racing) Apply(ctx context.Context, ops ...store.Op) ([]int64, error) {
	if strings.HasPrefix(ops[0].Kind, "issuer.") || strings.HasPrefix(ops[0].Kind, "entra.") {
		return r.Store.Apply(ctx, ops...) // signing keys are made in the background
	}
	if before := r.before; before != nil {
		r.before = nil
		before()
	}
	return r.Store.Apply(ctx, ops...)
}

func TestTheOtherWriterIsFaster(t *testing.T) {
	purged, recovered := at("DELETE", "/deletedsecrets/one", nil), at("POST", "/deletedsecrets/one/recover", nil)
	deleted := at("DELETE", "/secrets/one", nil)
	written := at("PUT", "/secrets/one", `{"value":"2"}`)
	late := apptest.Request{Method: "PUT", URL: vaultID + "/accessPolicies/add", Body: map[string]any{"properties": map[string]any{"accessPolicies": []any{policy("late", "get")}}}}
	tagged := at("PATCH", "/secrets/one", `{"tags":{"a":"b"}}`)
	cases := []struct {
		name          string
		prepare       []apptest.Request
		first, second apptest.Request // second is under way when first comes
		status        int             // of the second
		want          string          // in the newest version afterwards; "" is none
	}{
		{"two_updates", nil, tagged, at("PATCH", "/secrets/one", `{"contentType":"t"}`), 200, `"tags":{"a":"b"}`},
		{"set_then_update", nil, written, tagged, 200, `"value":"2"`},
		{"delete_then_update", nil, deleted, tagged, 404, ""},
		{"delete_then_set", nil, deleted, written, 409, ""},
		{"delete_then_delete", nil, deleted, deleted, 404, ""},
		{"update_then_delete", nil, tagged, deleted, 200, ""},
		{"set_then_set", nil, written, at("PUT", "/secrets/one", `{"value":"3"}`), 200, `"value":"3"`},
		{"recover_then_purge", []apptest.Request{deleted}, recovered, purged, 404, `"value":"1"`},
		{"recover_then_recover", []apptest.Request{deleted}, recovered, recovered, 404, `"value":"1"`},
		{"purge_then_recover", []apptest.Request{deleted}, purged, recovered, 404, ""},
		{"purge_then_purge", []apptest.Request{deleted}, purged, purged, 404, ""},
		{"policies", nil, late, apptest.Request{Method: "PUT", URL: late.URL, Body: strings.Replace(`{"properties":{"accessPolicies":[{"tenantId":"T","objectId":"T","permissions":{}}]}}`, "T", apptest.TenantID, 2)}, 200, `"value":"1"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			medium := &racing{}
			w := apptest.New(t, func(s store.Store) store.Store { medium.Store = s; return medium })
			w.Put(vaultID, vault(nil), 201)
			id := set(t, w, "one", "1").Get("id")
			for _, request := range c.prepare {
				w.Do(request)
			}
			medium.before = func() {
				if got := w.Do(c.first); got.Status >= 300 {
					t.Errorf("the first: got %d %s", got.Status, got.Body)
				}
			}
			w.Want(c.second, c.status, "")
			got := w.Do(at("GET", "/secrets/one", nil))
			if c.want == "" && got.Status != 404 || c.want != "" && !strings.Contains(got.Body, c.want) {
				t.Errorf("afterwards: got %d %s, want %s", got.Status, got.Body, c.want)
			}
			if c.want != "" {
				w.Want(at("GET", strings.TrimPrefix(id, "https://"+host), nil), 200, "")
			}
			if c.name == "policies" {
				request := at("GET", "/secrets/one", nil)
				request.As = "late"
				w.Want(request, 200, "")
			}
		})
	}
}
