package storageapi_test

import (
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

// TestHostsThatServeNothing: every endpoint that an account names answers.
func TestHostsThatServeNothing(t *testing.T) {
	w := world(t)
	shown := w.Want(apptest.Request{URL: accountID}, 200, "")
	for name, want := range map[string]struct {
		as     string
		status int
		code   string
	}{
		"dfs": {apptest.Owner, 501, "NotImplemented"}, "web": {"-", 501, "NotImplemented"},
		"file": {apptest.Owner, 501, "NotImplemented"}, "table": {apptest.Owner, 501, "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			host := shown.Get("properties.primaryEndpoints." + name)[len("https://"):]
			got := w.Do(apptest.Request{URL: host + "fs?resource=filesystem&comp=x", As: want.as, Header: map[string]string{"x-ms-version": "2023-11-03"}})
			if got.Status != want.status || got.Header.Get("x-ms-error-code") != want.code {
				t.Errorf("%s: got %d %s, want %d %s", host, got.Status, got.Body, want.status, want.code)
			}
		})
	}
	w.T = t
	if got := w.Do(apptest.Request{URL: "widemo.dfs.core.windows.net/fs", As: "-"}); got.Status != 401 {
		t.Errorf("dfs without a token: got %d %s, want 401", got.Status, got.Body)
	}
}
