package e2e_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/test/e2e"
)

// testExchange shows that a token of the scenario's service account becomes an
// access token that reads the secret.
func testExchange(t *testing.T, cluster *e2e.Cluster, a *e2e.Azure, d *e2e.Scenario) {
	assertion := cluster.Token(t, e2e.Namespace, e2e.ServiceAccount, e2e.ExchangeAudience)
	got, err := readSecret(t.Context(), a.Client, d.ClientID, assertion)
	if err != nil {
		t.Fatal(err)
	}
	if got != e2e.Canary {
		t.Errorf("secret: got %q, want %q", got, e2e.Canary)
	}
}

// testForeignAccount shows that the token of another service account of the
// same cluster is refused for its subject.
func testForeignAccount(t *testing.T, cluster *e2e.Cluster, a *e2e.Azure, d *e2e.Scenario) {
	assertion := cluster.Token(t, e2e.Namespace, "default", e2e.ExchangeAudience)
	_, err := a.Client.Assert(t.Context(), d.ClientID, assertion, deploy.KeyVault)
	var refused *deploy.Error
	if !errors.As(err, &refused) {
		t.Fatalf("exchange: got error %v, want a refusal", err)
	}
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
	}
	if err := json.Unmarshal([]byte(refused.Body), &answer); err != nil {
		t.Fatalf("reading the refusal %q: %v", refused.Body, err)
	}
	if refused.Status != http.StatusUnauthorized || answer.Error != "invalid_client" || len(answer.Codes) != 1 || answer.Codes[0] != 700213 {
		t.Errorf("exchange: got %d %q %v, want 401 invalid_client [700213]", refused.Status, answer.Error, answer.Codes)
	}
	for _, want := range []string{"AADSTS700213: ", "'system:serviceaccount:" + e2e.Namespace + ":default'"} {
		if !strings.Contains(answer.Description, want) {
			t.Errorf("refusal: got %q, want %q in it", answer.Description, want)
		}
	}
}
