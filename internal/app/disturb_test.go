package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/internal/issuer"
)

// faulty is a local Azure with faults, whose clock is moved by hand.
type faulty struct {
	*testing.T
	app *app.App
	now atomic.Int64
}

func openFaulty(t *testing.T, faults ...string) *faulty {
	t.Helper()
	f := &faulty{T: t}
	f.now.Store(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	f.app = open(t, app.Config{Faults: faults, Now: f.clock})
	return f
}

func (f *faulty) clock() time.Time { return time.Unix(0, f.now.Load()).UTC() }

func (f *faulty) advance(d time.Duration) { f.now.Add(int64(d)) }

func (f *faulty) client() *deploy.Client { return client(f.app, f.clock) }

// subscription is the id of the state's subscription with a path below it.
func (f *faulty) subscription(path string) string {
	return "/subscriptions/" + f.app.Account.SubscriptionID + path
}

// manage sends a request to Resource Manager as c and returns the status.
func (f *faulty) manage(c *deploy.Client, method, id, body string) (int, string) {
	f.Helper()
	var sent any
	if body != "" {
		sent = body
	}
	token, err := c.Token(f.Context(), deploy.ResourceManager)
	if err != nil {
		f.Fatalf("getting a token: %v", err)
	}
	call := deploy.Call{
		Method: method, URL: deploy.ResourceManager + id + "?api-version=2024-11-30", Token: token, Body: sent,
		Header: map[string]string{"Content-Type": "application/json"},
	}
	err = c.Do(f.Context(), call, nil)
	return status(err)
}

func status(err error) (int, string) {
	var refused *deploy.Error
	switch {
	case err == nil:
		return http.StatusOK, ""
	case errors.As(err, &refused):
		return refused.Status, refused.Body
	default:
		return 0, err.Error()
	}
}

// ask sends a request without a token, or with one, and returns the answer's head and body.
func (f *faulty) ask(method, url, token string) (*http.Response, string) {
	f.Helper()
	request, err := http.NewRequestWithContext(f.Context(), method, url, http.NoBody)
	if err != nil {
		f.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("x-ms-version", "2025-01-05")
	response, err := (transport{f.app.Handler()}).RoundTrip(request)
	if err != nil {
		f.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		f.Fatal(err)
	}
	return response, string(body)
}

func TestBadFaults(t *testing.T) {
	for name, c := range map[string]struct{ spec, want string }{
		"empty":             {"", "there are throttle=SERVICE[:COUNT[:SECONDS]], outage=entra[:SECONDS]"},
		"no_such_fault":     {"earthquake=westeurope", "conflict=federated-credentials[:COUNT]"},
		"no_such_service":   {"throttle=mainframe", `"mainframe" is no service that throttles; there are appconfig, arm, blob`},
		"no_service":        {"throttle=", `"" is no service that throttles`},
		"count":             {"throttle=arm:0", `"0" is not a whole number from 1 to`},
		"count_word":        {"throttle=arm:many", `"many" is not a whole number`},
		"seconds":           {"throttle=arm:1:-1", `"-1" is not a whole number`},
		"seconds_many":      {"throttle=arm:1:100000", "more than a day"},
		"too_many":          {"throttle=arm:1:1:1", `"1" is more than it takes`},
		"outage_of_another": {"outage=keyvault", "there is none of that name"},
		"outage_seconds":    {"outage=entra:soon", `"soon" is not a whole number`},
		"conflict_of":       {"conflict=vaults", "there is none of that name"},
		"delay_of":          {"delay=vaults:3", "there is none of that name"},
		"delay_unsaid":      {"delay=role-assignments", "it lacks the seconds: delay=role-assignments:SECONDS"},
		"delay_too_long":    {"delay=role-assignments:86401", "from 1 to 86400"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := app.Open(t.Context(), app.Config{Faults: []string{"throttle=arm", c.spec}})
			if err == nil {
				_ = a.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), fmt.Sprintf("fault %q", c.spec)) {
				t.Errorf("got %v, want it to name the fault and %q", err, c.want)
			}
		})
	}
	if forms := app.FaultForms(); len(forms) != 5 || !strings.HasPrefix(forms[0].Form, "throttle=") || forms[0].Text == "" {
		t.Errorf("forms: got %+v", forms)
	}
}

func TestThrottledManager(t *testing.T) {
	f := openFaulty(t, "throttle=arm:2:5")
	token, err := f.client().Token(t.Context(), deploy.ResourceManager)
	if err != nil {
		t.Fatal(err)
	}
	url := deploy.ResourceManager + f.subscription("/resourcegroups?api-version=2023-07-01")
	wait := func(want string) {
		t.Helper()
		response, body := f.ask("GET", url, token)
		h := response.Header
		if response.StatusCode != 429 || h.Get("Retry-After") != want || h.Get("x-ms-ratelimit-remaining-subscription-reads") != "0" ||
			!strings.Contains(body, `"code":"SubscriptionRequestsThrottled"`) || !strings.Contains(body, "try again after '"+want+"' seconds") {
			t.Errorf("got %d, Retry-After %q, %s, want 429 and %s", response.StatusCode, h.Get("Retry-After"), body, want)
		}
	}
	served := func() {
		t.Helper()
		if response, body := f.ask("GET", url, token); response.StatusCode != 200 {
			t.Errorf("got %d %s, want 200", response.StatusCode, body)
		}
	}
	wait("5")
	f.advance(2 * time.Second)
	wait("3") // too early: refused again, and not counted
	if response, _ := f.ask("GET", url, "no token"); response.StatusCode != 401 {
		t.Errorf("without a token: got %d, want 401", response.StatusCode)
	}
	f.advance(3 * time.Second)
	wait("5")
	f.advance(5 * time.Second)
	served()
	served()
}

func TestThrottledDataPlanes(t *testing.T) {
	f := openFaulty(t, "throttle=keyvault", "throttle=appconfig:1:2", "throttle=blob", "throttle=queue")
	c := f.client()
	group := f.subscription("/resourceGroups/rg")
	for _, r := range []struct{ id, body string }{
		{group, `{"location":"westeurope"}`},
		{group + "/providers/Microsoft.KeyVault/vaults/busyvault", `{"location":"westeurope","properties":{"tenantId":"` + f.app.Account.TenantID + `","sku":{"family":"A","name":"standard"},"enableRbacAuthorization":true}}`},
		{group + "/providers/Microsoft.AppConfiguration/configurationStores/busystore", `{"location":"westeurope","sku":{"name":"standard"}}`},
		{group + "/providers/Microsoft.Storage/storageAccounts/busyaccount", `{"location":"westeurope","kind":"StorageV2","sku":{"name":"Standard_LRS"}}`},
	} {
		if got, body := f.manage(c, "PUT", r.id, r.body); got >= 300 {
			t.Fatalf("PUT %s: got %d %s", r.id, got, body)
		}
	}
	for _, s := range []struct {
		resource, url, header, value, body string
		status                             int
	}{
		{deploy.KeyVault, "https://busyvault.vault.azure.net/secrets?api-version=7.4", "Retry-After", "1", `{"error":{"code":"Throttled"`, 429},
		{deploy.AppConfig, "https://busystore.azconfig.io/kv?api-version=1.0", "retry-after-ms", "2000", `"type":"https://azconfig.io/errors/too-many-requests"`, 429},
		{deploy.Storage, "https://busyaccount.blob.core.windows.net/?comp=list", "x-ms-error-code", "ServerBusy", "<Code>ServerBusy</Code>", 503},
		{deploy.Storage, "https://busyaccount.queue.core.windows.net/?comp=list", "x-ms-error-code", "ServerBusy", "<Code>ServerBusy</Code>", 503},
	} {
		token, err := c.Token(t.Context(), s.resource)
		if err != nil {
			t.Fatal(err)
		}
		response, body := f.ask("GET", s.url, token)
		if response.StatusCode != s.status || response.Header.Get(s.header) != s.value || !strings.Contains(body, s.body) {
			t.Errorf("%s: got %d %v %s, want %d, %s %s and %s", s.url, response.StatusCode, response.Header, body, s.status, s.header, s.value, s.body)
		}
		f.advance(2 * time.Second)
		if response, body = f.ask("GET", s.url, token); response.StatusCode != 403 && response.StatusCode != 200 { // decided about again
			t.Errorf("%s, afterwards: got %d %s, want 200 or 403", s.url, response.StatusCode, body)
		}
	}
}

func TestOutageOfTheTokenService(t *testing.T) {
	f := openFaulty(t, "outage=entra:30")
	sign := func() (int, string) {
		t.Helper()
		_, err := f.client().Token(t.Context(), deploy.ResourceManager)
		return status(err)
	}
	got, body := sign()
	for _, want := range []string{`"error":"temporarily_unavailable"`, "AADSTS90033: A transient error has occurred. Please try again.", `"error_codes":[90033]`} {
		if got != 503 || !strings.Contains(body, want) {
			t.Errorf("got %d %s, want 503 with %s", got, body, want)
		}
	}
	f.advance(30 * time.Second)
	if got, body := sign(); got != 200 {
		t.Errorf("afterwards: got %d %s, want a token", got, body)
	}
	f = openFaulty(t, "outage=entra")
	f.advance(365 * 24 * time.Hour)
	if got, _ := sign(); got != 503 {
		t.Errorf("an outage without an end: got %d, want 503", got)
	}
}

func TestConflictsOfCredentials(t *testing.T) {
	f := openFaulty(t, "conflict=federated-credentials:2")
	c := f.client()
	group := f.subscription("/resourceGroups/rg")
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	credential := identity + "/federatedIdentityCredentials/fic"
	body := `{"properties":{"issuer":"https://issuer.example/","subject":"s","audiences":["api://AzureADTokenExchange"]}}`
	f.manage(c, "PUT", group, `{"location":"westeurope"}`)
	if got, text := f.manage(c, "PUT", identity, `{"location":"westeurope"}`); got != 200 {
		t.Fatalf("PUT of the identity: got %d %s", got, text)
	}
	got, text := f.manage(c, "PUT", credential, body)
	if got != 409 || !strings.Contains(text, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity") || !strings.Contains(text, "'"+identity+"'") {
		t.Errorf("got %d %s, want the 409 of Azure with the identity", got, text)
	}
	if got, text := f.manage(c, "GET", identity+"/federatedIdentityCredentials", ""); got != 200 {
		t.Errorf("a list: got %d %s, want 200", got, text)
	}
	if got, _ := f.manage(c, "DELETE", credential, ""); got != 409 {
		t.Errorf("the second write: got %d, want 409", got)
	}
	if got, text := f.manage(c, "PUT", credential, body); got != 200 {
		t.Errorf("the third write: got %d %s, want 200", got, text)
	}
}

// newcomer is an application with a secret and no roles.
func (f *faulty) newcomer() (*deploy.Client, string) {
	f.Helper()
	principal, err := f.app.Directory.CreateApplication(f.Context(), f.app.Account.TenantID, "newcomer")
	if err != nil {
		f.Fatal(err)
	}
	secret, err := f.app.Directory.AddSecret(f.Context(), principal.ObjectID, "test", f.clock().Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	c := f.client()
	c.ClientID, c.ClientSecret = principal.AppID, secret
	return c, principal.ObjectID
}

func (f *faulty) assign(objectID, role, scope string) {
	f.Helper()
	definition, _ := access.BuiltinRole(role)
	body := `{"properties":{"roleDefinitionId":"` + f.subscription("/providers/Microsoft.Authorization/roleDefinitions/"+definition.ID) + `","principalId":"` + objectID + `","principalType":"ServicePrincipal"}}`
	if got, text := f.manage(f.client(), "PUT", scope+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString(), body); got >= 300 {
		f.Fatalf("assigning %s: got %d %s", role, got, text)
	}
}

func TestDelayOfRoleAssignments(t *testing.T) {
	f := openFaulty(t, "delay=role-assignments:60")
	group := f.subscription("/resourceGroups/rg")
	if got, body := f.manage(f.client(), "PUT", group, `{"location":"westeurope"}`); got != 200 {
		t.Fatalf("the deployer is Owner from the start: got %d %s", got, body)
	}
	c, objectID := f.newcomer()
	f.assign(objectID, "Reader", group)
	if got, _ := f.manage(c, "GET", group, ""); got != 403 {
		t.Errorf("at once: got %d, want 403", got)
	}
	f.advance(59 * time.Second)
	f.assign(objectID, "Contributor", group)
	if got, _ := f.manage(c, "GET", group, ""); got != 403 {
		t.Errorf("after 59 seconds: got %d, want 403", got)
	}
	f.advance(time.Second)
	if got, body := f.manage(c, "GET", group, ""); got != 200 {
		t.Errorf("after 60 seconds: got %d %s, want 200", got, body)
	}
	if got, _ := f.manage(c, "PUT", group, `{"location":"westeurope"}`); got != 403 {
		t.Errorf("the second role, at once: got %d, want 403", got)
	}
	f.advance(time.Minute)
	if got, body := f.manage(c, "PUT", group, `{"location":"westeurope"}`); got != 200 {
		t.Errorf("the second role, later: got %d %s, want 200", got, body)
	}
}

func TestDelayOfFederatedCredentials(t *testing.T) {
	f := openFaulty(t, "delay=federated-credentials:20")
	ctx := t.Context()
	made, err := f.app.Issuers.Create(ctx, "westeurope", f.app.Account.TenantID)
	if err != nil {
		t.Fatal(err)
	}
	group := f.subscription("/resourceGroups/rg")
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	c := f.client()
	var answer struct{ Properties struct{ ClientID string } }
	for _, id := range []string{group, identity} {
		if err := c.Manage(ctx, "PUT", id, "2024-11-30", map[string]any{"location": "westeurope"}, &answer); err != nil {
			t.Fatal(err)
		}
	}
	credential := func(name, account string) {
		t.Helper()
		body := map[string]any{"properties": map[string]any{"issuer": made.URL, "subject": "system:serviceaccount:ns:" + account, "audiences": []string{chain.TokenAudience}}}
		if err := c.Manage(ctx, "PUT", identity+"/federatedIdentityCredentials/"+name, "2024-11-30", body, nil); err != nil {
			t.Fatal(err)
		}
	}
	exchange := func(account string) (int, string) {
		t.Helper()
		token, err := f.app.Issuers.Mint(ctx, made.ID, issuer.TokenRequest{Namespace: "ns", ServiceAccount: account, Audiences: []string{chain.TokenAudience}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Assert(context.WithoutCancel(ctx), answer.Properties.ClientID, token, deploy.ResourceManager)
		return status(err)
	}
	credential("one", "first")
	if got, body := exchange("first"); got < 400 || got >= 500 || !strings.Contains(body, "AADSTS70") {
		t.Errorf("at once: got %d %s, want that no credential matches", got, body)
	}
	if got, body := f.manage(c, "GET", identity+"/federatedIdentityCredentials/one", ""); got != 200 {
		t.Errorf("Resource Manager: got %d %s, want that it is there", got, body)
	}
	f.advance(20 * time.Second)
	credential("two", "second")
	if got, body := exchange("first"); got != 200 {
		t.Errorf("after its time: got %d %s, want a token", got, body)
	}
	if got, _ := exchange("second"); got == 200 {
		t.Error("the second one, at once: got a token, want none")
	}
	credential("one", "first") // as it is: nothing to propagate
	if got, body := exchange("first"); got != 200 {
		t.Errorf("after a PUT that changes nothing: got %d %s, want a token", got, body)
	}
	f.advance(20 * time.Second)
	for _, account := range []string{"first", "second"} {
		if got, body := exchange(account); got != 200 {
			t.Errorf("%s, in the end: got %d %s, want a token", account, got, body)
		}
	}
}
