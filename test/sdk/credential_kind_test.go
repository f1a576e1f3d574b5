package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"

	"github.com/aksess/aksess/test/sdk/deploy"
)

// credentialKind writes federated credentials, whose subject is the state, and
// reads them twice: as the resource, and as the token service decides by them.
// The two must never disagree.
type credentialKind struct {
	scenario deploy.Scenario

	azure     *azure
	client    *armmsi.FederatedIdentityCredentialsClient
	transport policy.Transporter
}

func (k *credentialKind) connect(a *azure, credential azcore.TokenCredential, options azcore.ClientOptions) (err error) {
	k.azure, k.transport = a, options.Transport
	k.client, err = armmsi.NewFederatedIdentityCredentialsClient(a.SubscriptionID, credential, &arm.ClientOptions{ClientOptions: options})
	return err
}

func (k *credentialKind) next(random *rand.Rand, l *ledger, state string) (string, string) {
	key := fmt.Sprintf("kill-%d", random.IntN(3))
	return key, orAbsent(random, l, key, state)
}

func (k *credentialKind) write(ctx context.Context, key, state string) error {
	if state == absent {
		_, err := k.client.Delete(ctx, deploy.Group, deploy.Identity, key, nil)
		return err
	}
	_, err := k.client.CreateOrUpdate(ctx, deploy.Group, deploy.Identity, key, armmsi.FederatedIdentityCredential{
		Properties: &armmsi.FederatedIdentityCredentialProperties{
			Issuer: to.Ptr(k.scenario.IssuerURL), Subject: to.Ptr(subject(state)), Audiences: []*string{to.Ptr("api://AzureADTokenExchange")},
		},
	}, nil)
	return err
}

func subject(state string) string { return "system:serviceaccount:" + deploy.Namespace + ":" + state }

func (k *credentialKind) read(ctx context.Context, key string) (string, error) {
	got, err := k.client.Get(ctx, deploy.Group, deploy.Identity, key, nil)
	if gone(err) {
		return absent, nil
	}
	if err != nil {
		return "", err
	}
	state := strings.TrimPrefix(*got.Properties.Subject, subject(""))
	if err := k.exchange(ctx, state); err != nil {
		return "", fmt.Errorf("half applied: the resource names %s, but the exchange of its token: %w", state, err)
	}
	return state, nil
}

// refused reports an error unless the token service refuses the state's token.
func (k *credentialKind) refused(ctx context.Context, state string) error {
	err := k.exchange(ctx, state)
	if err == nil || !strings.Contains(err.Error(), "AADSTS700213") {
		return fmt.Errorf("half applied: no resource names %s, but the exchange of its token gives %v, want AADSTS700213", state, err)
	}
	return nil
}

// exchange signs in as the service account that is named by the state.
func (k *credentialKind) exchange(ctx context.Context, state string) error {
	assertion := func(ctx context.Context) (string, error) { return k.token(ctx, state) }
	credential, err := azidentity.NewClientAssertionCredential(k.azure.TenantID, k.scenario.ClientID, assertion,
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: k.transport}})
	if err != nil {
		return err
	}
	_, err = credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	return err
}

func (k *credentialKind) token(ctx context.Context, account string) (string, error) {
	const body = `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{"audiences":["api://AzureADTokenExchange"]}}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		k.scenario.APIServer+"/api/v1/namespaces/"+deploy.Namespace+"/serviceaccounts/"+account+"/token", bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+k.scenario.AdminToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := k.transport.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct{ Status struct{ Token string } }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Status.Token == "" {
		return "", fmt.Errorf("the token request got %s: %v", response.Status, err)
	}
	return answer.Status.Token, nil
}
