package aksess_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"testing"

	"github.com/aksess/aksess"
)

// world is what the examples share: a cluster whose service account default/api
// is trusted by an identity that may read the vault's secrets.
type world struct {
	azure      *aksess.Azure
	cluster    aksess.Cluster
	identity   aksess.Identity
	vault      aksess.Vault
	assignment string
}

func newWorld(ctx context.Context) (*world, error) {
	azure, err := aksess.New(aksess.Options{})
	if err != nil {
		return nil, err
	}
	w := &world{azure: azure}
	group, err := azure.ResourceGroup(ctx, "rg")
	if err != nil {
		return nil, err
	}
	if w.cluster, err = azure.CreateCluster(ctx, group, "aks"); err != nil {
		return nil, err
	}
	if w.identity, err = azure.CreateIdentity(ctx, group, "api"); err != nil {
		return nil, err
	}
	if err := azure.Federate(ctx, w.identity, "aks-api", w.cluster, "default", "api"); err != nil {
		return nil, err
	}
	if w.vault, err = azure.CreateVault(ctx, group, "example-kv"); err != nil {
		return nil, err
	}
	if err := azure.SetSecret(ctx, w.vault, "greeting", "hello"); err != nil {
		return nil, err
	}
	w.assignment, err = azure.Assign(ctx, w.identity.PrincipalID, "Key Vault Secrets User", w.vault.ID)
	return w, err
}

// read reads the secret as a service account of the cluster.
func (w *world) read(ctx context.Context, serviceAccount string) (string, error) {
	projected, err := w.azure.ServiceAccountToken(ctx, w.cluster, "default", serviceAccount)
	if err != nil {
		return "", err
	}
	token, err := w.azure.Exchange(ctx, w.identity.ClientID, projected, "https://vault.azure.net")
	if err != nil {
		return "", err
	}
	return w.azure.Secret(ctx, w.vault, "greeting", token)
}

// Read a secret as a service account.
func Example() {
	ctx := context.Background()
	w, err := newWorld(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer w.azure.Close()
	secret, err := w.read(ctx, "api")
	fmt.Println(secret, err)
	// Output: hello <nil>
}

// Break the chain and see why.
func ExampleAzure_LastRefusal() {
	ctx := context.Background()
	w, err := newWorld(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer w.azure.Close()

	_, err = w.read(ctx, "another")
	var refused *aksess.TokenError
	fmt.Println(errors.As(err, &refused), refused.Code)
	fmt.Println(w.azure.LastRefusal().Link)

	if err := w.azure.Manage(ctx, http.MethodDelete, w.assignment, "2022-04-01", nil, nil); err != nil {
		log.Fatal(err)
	}
	_, err = w.read(ctx, "api")
	fmt.Println(err != nil, w.azure.LastRefusal().Code)
	fmt.Println(w.azure.LastRefusal().Link)
	// Output:
	// true AADSTS700213
	// federated credential
	// true Forbidden/ForbiddenByRbac
	// role or access policy
}

// Use it from a table test.
func TestWhoMayReadTheSecret(t *testing.T) {
	ctx := t.Context()
	w, err := newWorld(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.azure.Close() })
	tests := []struct {
		serviceAccount, code string
	}{
		{serviceAccount: "api"},
		{serviceAccount: "api-2", code: "AADSTS700213"},
		{serviceAccount: "other", code: "AADSTS700213"},
	}
	for _, test := range tests {
		t.Run(test.serviceAccount, func(t *testing.T) {
			_, err := w.read(ctx, test.serviceAccount)
			var refused *aksess.TokenError
			switch {
			case test.code == "" && err != nil:
				t.Errorf("got %v, want the secret", err)
			case test.code != "" && (!errors.As(err, &refused) || refused.Code != test.code):
				t.Errorf("got %v, want %s", err, test.code)
			}
		})
	}
}
