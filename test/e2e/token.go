package e2e

import (
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ExchangeAudience is the audience of a service account token that is meant for
// Azure's token service.
const ExchangeAudience = "api://AzureADTokenExchange"

// tokenLife is the life asked for, in seconds: the shortest that the webhook's
// annotation allows.
const tokenLife = 3600

// Token asks the TokenRequest API for a token of the service account.
func (c *Cluster) Token(t testing.TB, namespace, serviceAccount, audience string) string {
	t.Helper()
	life := int64(tokenLife)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences:         []string{audience},
		ExpirationSeconds: &life,
	}}
	answer, err := c.Client.CoreV1().ServiceAccounts(namespace).
		CreateToken(t.Context(), serviceAccount, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("requesting a token for %s/%s: %v", namespace, serviceAccount, err)
	}
	return answer.Status.Token
}
