package aksess_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aksess/aksess"
)

const (
	vaultResource = "https://vault.azure.net"
	identityAPI   = "2024-11-30"
)

// TestRecreatedIdentity: who deletes an identity ends its access, and one of the
// same name begins without any: no federated credential, no role, no policy.
func TestRecreatedIdentity(t *testing.T) {
	ctx := t.Context()
	azure, err := aksess.New(aksess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer azure.Close() //nolint:errcheck // in memory
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	group, err := azure.ResourceGroup(ctx, "rg")
	fatal(err)
	cluster, err := azure.CreateCluster(ctx, group, "aks")
	fatal(err)
	vault, err := azure.CreateVault(ctx, group, "recreatedkv")
	fatal(err)
	fatal(azure.SetSecret(ctx, vault, "name", "value"))
	old, err := azure.CreateIdentity(ctx, group, "api")
	fatal(err)
	other, err := azure.CreateIdentity(ctx, group, "other")
	fatal(err)
	fatal(azure.Federate(ctx, old, "fic", cluster, "ns", "sa"))
	fatal(azure.Federate(ctx, other, "fic", cluster, "ns", "other"))
	_, err = azure.Assign(ctx, old.PrincipalID, "Key Vault Secrets User", vault.ID)
	fatal(err)
	assertion, err := azure.ServiceAccountToken(ctx, cluster, "ns", "sa")
	fatal(err)

	refused := func(what, clientID, code string) {
		t.Helper()
		var refusal *aksess.TokenError
		if _, err := azure.Exchange(ctx, clientID, assertion, vaultResource); !errors.As(err, &refusal) || refusal.Code != code {
			t.Errorf("%s: got %v, want %s", what, err, code)
		}
	}
	read := func(clientID string) (string, error) {
		t.Helper()
		token, err := azure.Exchange(ctx, clientID, assertion, vaultResource)
		fatal(err)
		return azure.Secret(ctx, vault, "name", token)
	}
	if got, err := read(old.ClientID); err != nil || got != "value" {
		t.Fatalf("the identity: got %q %v, want the secret", got, err)
	}
	refused("another identity with the same token", other.ClientID, "AADSTS700213")
	fatal(azure.Manage(ctx, http.MethodDelete, old.ID+"/federatedIdentityCredentials/fic", identityAPI, nil, nil))
	refused("without the credential", old.ClientID, "AADSTS70025")
	fatal(azure.Federate(ctx, old, "fic", cluster, "ns", "sa"))
	fatal(azure.Manage(ctx, http.MethodDelete, old.ID, identityAPI, nil, nil))
	refused("the deleted identity", old.ClientID, "AADSTS700016")

	again, err := azure.CreateIdentity(ctx, group, "api")
	fatal(err)
	if again.ClientID == old.ClientID || again.PrincipalID == old.PrincipalID {
		t.Fatalf("the identity made anew: got the ids of the old one, %+v", again)
	}
	refused("the new identity without a credential", again.ClientID, "AADSTS70025")
	fatal(azure.Federate(ctx, again, "fic", cluster, "ns", "sa"))
	if got, err := read(again.ClientID); err == nil || !strings.Contains(err.Error(), "ForbiddenByRbac") {
		t.Errorf("the new identity without a role: got %q %v, want ForbiddenByRbac", got, err)
	}
	refused("the old client id", old.ClientID, "AADSTS700016")
}
