package federated

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/imds"
)

// TestNothingIsTakenFromAnswers: neither a file nor an address that an answer names,
// as those of Azure Arc do, is read or asked.
func TestNothingIsTakenFromAnswers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "named.key")
	if err := os.WriteFile(file, []byte("canary-of-the-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorkbench(t)
	for status, want := range map[int]int{401: 401, 403: 403, 302: 503, 307: 503} {
		w.service.answers(refusing(status, "invalid_client", "realm="+file,
			"WWW-Authenticate", "Basic realm="+file, "Location", "file://"+file, "Link", "<"+file+">; rel=next", "Refresh", "0; url=https://evil.example/"))
		before := w.service.count()
		_, err := w.get(t.Context(), imds.Selector{}, fmt.Sprint(status))
		if got := refusal(t, err); got.Status != want || strings.Contains(got.Error(), "canary") {
			t.Errorf("%d: got %v, want %d", status, got, want)
		}
		if w.service.count() != before+1 {
			t.Errorf("%d: got %d requests, want one", status, w.service.count()-before)
		}
	}
	for _, asked := range w.service.asked {
		if !strings.HasPrefix(asked.url, "POST https://login.microsoftonline.com/") || asked.form.Get("client_assertion") != "assertion" || len(asked.header["Authorization"]) > 0 {
			t.Errorf("got %+v, want the same request each time", asked)
		}
	}
}

// TestNothingSecretIsLogged looks for what must not be in the log.
func TestNothingSecretIsLogged(t *testing.T) {
	w := newWorkbench(t)
	w.project(t, "canary-assertion")
	got, err := w.get(t.Context(), imds.Selector{}, vault)
	if err != nil {
		t.Fatal(err)
	}
	w.service.answers(refusing(400, "invalid_grant", "no"))
	_, _ = w.get(t.Context(), imds.Selector{}, "other")
	w.service.answers(unreachable)
	_, _ = w.get(t.Context(), imds.Selector{}, "third")
	w.Close()
	log := w.log.String()
	if strings.Count(log, "\n") != 3 || !strings.Contains(log, "got a token") || !strings.Contains(log, "invalid_grant") || !strings.Contains(log, "unreachable") {
		t.Errorf("got %s, want a line for each exchange", log)
	}
	for _, secret := range []string{"canary-assertion", got.Access, got.Access[:40]} {
		if strings.Contains(log, secret) {
			t.Errorf("got a secret in the log: %s", log)
		}
	}
}
