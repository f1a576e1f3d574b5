package sdk

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/google/uuid"

	"github.com/aksess/aksess/test/sdk/dataplane"
	"github.com/aksess/aksess/test/sdk/deploy"
	"github.com/aksess/aksess/test/sdk/managed"
)

// identities is the environment that tells a program of package managed, in any
// language, who it is, and names a client that nobody has asked for before.
func (a *azure) identities(s deploy.Scenario, second deploy.Second) []string {
	return []string{
		envProgram + "=managed",
		dataplane.EnvVault + "=https://" + deploy.Vault + ".vault.azure.net", dataplane.EnvSecret + "=" + deploy.Secret,
		managed.EnvClient + "=" + s.ClientID, managed.EnvPrincipal + "=" + s.PrincipalID, managed.EnvResource + "=" + s.ResourceID,
		managed.EnvSecondClient + "=" + second.ClientID, managed.EnvSecondPrincipal + "=" + second.PrincipalID,
		managed.EnvUnknownClient + "=" + uuid.NewString(),
	}
}

// testEndpoint: by App Service's protocol, programs get tokens of every identity
// that trusts the service account, and none without the secret. What is refused
// for good they do not ask for again.
func testEndpoint(t *testing.T, a *azure, s deploy.Scenario, p *sidecar, programs map[string][]string) {
	second := a.second(t)
	for language, program := range programs {
		run := func(t *testing.T, header, what string) {
			environ := append(a.identities(s, second), "IDENTITY_ENDPOINT=http://"+p.address+"/msi/token", "IDENTITY_HEADER="+header)
			judge(t, finish(t, a.command(t, environ, "run", append(append([]string{"--"}, program...), what)...)))
		}
		t.Run(language+"-endpoint-identities", func(t *testing.T) {
			defer p.expectRefused(t, 1)()
			run(t, identityHeader, managed.Identities)
		})
		t.Run(language+"-endpoint-stranger", func(t *testing.T) {
			before := p.counter(t, "token_requests_total")
			run(t, "header-of-another-pod", managed.Stranger)
			equal(t, "requests of the stranger", p.counter(t, "token_requests_total")-before, 1)
		})
	}
}

// expectRefused returns what fails unless the token service refuses so many
// requests from now on, each of which was made once.
func (p *sidecar) expectRefused(t *testing.T, want int) (check func()) {
	t.Helper()
	before := p.counter(t, `tokens_total{result="refused"}`)
	return func() {
		t.Helper()
		equal(t, "requests that the token service refused", p.counter(t, `tokens_total{result="refused"}`)-before, want)
	}
}

// counter reads one of the proxy's metrics.
func (p *sidecar) counter(t *testing.T, name string) int {
	t.Helper()
	metrics := ask(t, "http://"+p.address+"/metrics")
	found := regexp.MustCompile(`(?m)^aksess_proxy_` + regexp.QuoteMeta(name) + ` (\d+)$`).FindStringSubmatch(metrics)
	if found == nil {
		t.Fatalf("the proxy has no metric %s:\n%s", name, metrics)
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
