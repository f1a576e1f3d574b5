package issuer

import (
	"errors"
	"testing"

	"github.com/aksess/aksess/internal/jose"
)

func TestGone(t *testing.T) {
	const tenant = "11111111-1111-1111-1111-111111111111"
	sources := jose.Sources{Gone{TenantID: tenant}}
	for url, ours := range map[string]bool{
		"https://westeurope.oic.prod-aks.azure.com/" + tenant + "/22222222-2222-2222-2222-222222222222/": true,
		"https://eastus.oic.prod-aks.azure.com/" + tenant + "/22222222-2222-2222-2222-222222222222/":     true,
		"https://westeurope.oic.prod-aks.azure.com/33333333-3333-3333-3333-333333333333/2222/":           false,
		"https://oidc.example.com/" + tenant + "/":                                                       false,
		"http://westeurope.oic.prod-aks.azure.com/" + tenant + "/2222/":                                  false,
		"https://evil.example/?x=.oic.prod-aks.azure.com" + tenant:                                       false,
	} {
		_, err := sources.Keys(t.Context(), url, "kid")
		if got := errors.Is(err, jose.ErrUnreachable) && !errors.Is(err, jose.ErrUnknownIssuer); got != ours {
			t.Errorf("%s: got %v, want it answered %v", url, err, ours)
		}
	}
}
