package entra

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
)

// sourceFunc is a key source that a test makes up.
type sourceFunc func(ctx context.Context, issuer, kid string) (jose.KeySet, error)

func (f sourceFunc) Keys(ctx context.Context, issuer, kid string) (jose.KeySet, error) {
	return f(ctx, issuer, kid)
}

// remoteIssuer is an issuer that is not of this local Azure.
const remoteIssuer = "https://oidc.example.test/cluster/"

// remoteClaims are those of a token of remoteIssuer that the identity trusts.
func remoteClaims(now time.Time) map[string]any {
	return map[string]any{
		"iss": remoteIssuer, "sub": "system:serviceaccount:far:away", "aud": []string{"api://AzureADTokenExchange"},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

func signedBy(t testing.TB, key *jose.SigningKey, claims any) string {
	t.Helper()
	signed, err := jose.Sign(key, jose.HeaderExtras{}, claims)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// refusal is one row of the table of codes: what is sent, and what comes back.
type refusal struct {
	name   string
	code   string
	err    string
	status int
	text   string // of error_description, between the code and the trace id
	send   func(b *workbench) reply
}

const federationText = ". Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"

// with sends the scenario's exchange with parameters changed; "" removes one.
func with(pairs ...string) func(b *workbench) reply {
	return func(b *workbench) reply {
		form := b.federated(b.mint(nil))
		for i := 0; i < len(pairs); i += 2 {
			if form.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
				form.Del(pairs[i])
			}
		}
		return b.exchange(form)
	}
}

// assertion sends the scenario's exchange with a token minted for it.
func assertion(change func(*issuer.TokenRequest)) func(b *workbench) reply {
	return func(b *workbench) reply { return b.exchange(b.federated(b.mint(change))) }
}

// remote sends an assertion of an issuer that the identity trusts and whose keys come from keys.
func remote(keys sourceFunc, send func(b *workbench) reply) func(b *workbench) reply {
	return func(b *workbench) reply {
		b.service.options.Keys = jose.Sources{b.issuers, keys}
		b.trust("remote", remoteIssuer, "system:serviceaccount:far:away", "api://AzureADTokenExchange")
		return send(b)
	}
}

func refusals() []refusal {
	body := func(raw string) func(b *workbench) reply {
		return func(b *workbench) reply {
			return b.do(httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader(raw)))
		}
	}
	return []refusal{
		{"no_grant", "AADSTS900144", invalidRequest, 400, "The request body must contain the following parameter: 'grant_type'.", with("grant_type", "")},
		{"no_client", "AADSTS900144", invalidRequest, 400, "The request body must contain the following parameter: 'client_id'.", with("client_id", "")},
		{"no_scope", "AADSTS900144", invalidRequest, 400, "The request body must contain the following parameter: 'scope'.", with("scope", "")},
		{"no_assertion_type", "AADSTS900144", invalidRequest, 400, "The request body must contain the following parameter: 'client_assertion_type'.", with("client_assertion_type", "")},
		{"no_resource", "AADSTS900144", invalidRequest, 400, "The request body must contain the following parameter: 'resource'.", func(b *workbench) reply {
			return b.post(strings.Replace(tokenURL, "/v2.0", "", 1), b.federated(b.mint(nil)))
		}},
		{"json_body", "AADSTS900144", invalidRequest, 400, "The request body must contain the following parameter: 'grant_type'.", body(`{"grant_type":"client_credentials"}`)},
		{"twice", "AADSTS9000411", invalidRequest, 400, "The request is not properly formatted. The parameter 'client_id' is duplicated.", body("client_id=a&client_id=b")},
		{"twice_escaped", "AADSTS9000411", invalidRequest, 400, "The request is not properly formatted. The parameter 'scope' is duplicated.", body("scope=a&sc%6fpe=b")},
		{"bad_escape", "AADSTS90013", invalidRequest, 400, "Invalid input received from the user. The body is not a form.", body("client_id=%zz")},
		{"not_utf8", "AADSTS90013", invalidRequest, 400, "Invalid input received from the user. The body is not in UTF-8.", body("client_id=%ff")},
		{"many_parameters", "AADSTS90013", invalidRequest, 400, "Invalid input received from the user. The body has too many parameters.", body(strings.Repeat("a&", 70))},
		{"large_body", "AADSTS90013", invalidRequest, 400, "Invalid input received from the user. The body cannot be read: the request body is larger than 65536 bytes.", body("a=" + strings.Repeat("a", maxForm))},
		{"wrong_assertion_type", "AADSTS90023", invalidRequest, 400, "The authentication service request isn't valid. The parameter 'client_assertion_type' must be 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'.", with("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")},
		{"two_proofs", "AADSTS90023", invalidRequest, 400, "The authentication service request isn't valid. The client proves itself in two ways: by 'client_assertion' and by 'client_secret'.", with("client_secret", "x")},
		{"get_token", "AADSTS900561", invalidRequest, 400, "The endpoint only accepts POST requests. Received a GET request.", func(b *workbench) reply { return b.get(tokenURL) }},
		{"unreadable_query", "AADSTS90023", invalidRequest, 400, "The authentication service request isn't valid. The requested URI does not represent any resource on the server: its query cannot be read.", func(b *workbench) reply {
			return b.post(tokenURL+"?dc=%zz", b.federated(b.mint(nil)))
		}},
		{"no_endpoint", "NotFound", invalidRequest, 404, "The token service has no endpoint /" + tenantID + "/oauth2/v3.0/token.", func(b *workbench) reply {
			return b.get(strings.Replace(tokenURL, "v2", "v3", 1))
		}},
		{"on_behalf_of", "AADSTS70003", unsupportedGrantType, 400, "The app requested an unsupported grant type 'urn:ietf:params:oauth:grant-type:jwt-bearer'.", with("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")},
		{"permission", "AADSTS1002012", invalidScope, 400, "The provided value for scope https://vault.azure.net/user_impersonation is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", with("scope", "https://vault.azure.net/user_impersonation")},
		{"two_scopes", "AADSTS70011", invalidScope, 400, "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope https://a/.default https://b/.default is not valid.", with("scope", "https://a/.default https://b/.default")},
		{"unknown_resource", "AADSTS500011", invalidResource, 400, "The resource principal named https://nobody.example was not found in the tenant named Contoso. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.", with("scope", "https://nobody.example/.default")},
		{"disabled_resource", "AADSTS500014", invalidResource, 400, "The service principal for resource 'api://{app}' is disabled. This indicate that a subscription within the tenant has lapsed, or that the administrator for this tenant has disabled the application, preventing tokens from being issued for it.", func(b *workbench) reply {
			b.disable(b.app)
			return with("scope", "api://"+b.app.AppID+"/.default")(b)
		}},
		{"bad_tenant", "AADSTS900023", invalidRequest, 400, "Specified tenant identifier 'nowhere' is neither a valid DNS name, nor a valid external domain.", func(b *workbench) reply {
			return b.post("https://login.microsoftonline.com/nowhere/oauth2/v2.0/token", b.federated(b.mint(nil)))
		}},
		{"unknown_tenant", "AADSTS90002", invalidTenant, 400, "Tenant 'nobody.example' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", func(b *workbench) reply {
			return b.post("https://login.microsoftonline.com/nobody.example/oauth2/v2.0/token", b.federated(b.mint(nil)))
		}},
		{"unknown_tenant_configuration", "AADSTS90002", invalidTenant, 400, "Tenant '22222222-2222-2222-2222-222222222222' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", func(b *workbench) reply {
			return b.get("https://login.microsoftonline.com/22222222-2222-2222-2222-222222222222/v2.0/.well-known/openid-configuration")
		}},
		{"no_tenant", "AADSTS50059", invalidRequest, 400, "No tenant-identifying information found in either the request or implied by any provided credentials.", func(b *workbench) reply {
			return b.post("https://login.microsoftonline.com/common/oauth2/v2.0/token", b.federated(b.mint(nil)))
		}},
		{"unknown_instance", "AADSTS50049", invalidInstance, 400, "Unknown or invalid instance.", func(b *workbench) reply {
			return b.get("https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.example.test/common/oauth2/authorize")
		}},
		{"unknown_client", "AADSTS700016", unauthorizedClient, 400, "Application with identifier '77777777-7777-7777-7777-777777777777' was not found in the directory 'Contoso'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", with("client_id", "77777777-7777-7777-7777-777777777777")},
		{"resource_id_as_client", "AADSTS700016", unauthorizedClient, 400, "Application with identifier '" + identityARM + "' was not found in the directory 'Contoso'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", with("client_id", identityARM)},
		{"zero_client", "AADSTS700038", unauthorizedClient, 400, "00000000-0000-0000-0000-000000000000 is not a valid application identifier.", with("client_id", "00000000-0000-0000-0000-000000000000")},
		{"disabled", "AADSTS7000112", unauthorizedClient, 400, "Application '{client}'(id-wi-api) is disabled.", func(b *workbench) reply {
			b.disable(b.identity)
			return with()(b)
		}},
		{"no_credential", "AADSTS7000216", invalidClient, 401, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.", with("client_assertion", "")},
		{"wrong_secret", "AADSTS7000215", invalidClient, 401, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'.", func(b *workbench) reply { return b.exchange(b.secret("wrong")) }},
		{"long_secret", "AADSTS7000215", invalidClient, 401, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'.", func(b *workbench) reply { return b.exchange(b.secret(strings.Repeat("x", maxSecret+1))) }},
		{"secret_id", "AADSTS7000215", invalidClient, 401, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'.", func(b *workbench) reply { return b.exchange(b.secret(b.secretID)) }},
		{"expired_secret", "AADSTS7000222", invalidClient, 401, "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", func(b *workbench) reply {
			b.clock.advance(25 * time.Hour)
			return b.exchange(b.secret(guardSecret))
		}},
		{"not_a_token", "AADSTS50027", invalidRequest, 400, "JWT token is invalid or malformed. Malformed token: 1 parts, 3 are expected.", with("client_assertion", "canary")},
		{"five_parts", "AADSTS50027", invalidRequest, 400, "JWT token is invalid or malformed. Malformed token: five parts, an encrypted token, where a signed one is expected.", with("client_assertion", "a.b.c.d.e")},
		{"no_sub", "AADSTS50027", invalidRequest, 400, "JWT token is invalid or malformed. The claim sub is missing.", func(b *workbench) reply {
			return b.exchange(b.federated(b.sign(map[string]any{"iss": b.cluster.URL, "aud": "api://AzureADTokenExchange", "exp": b.clock.Now().Add(time.Hour).Unix()})))
		}},
		{"hs256", "AADSTS5002730", invalidRequest, 400, "Invalid JWT token. Unsupported key for the signing algorithm.", func(b *workbench) reply {
			return b.exchange(b.federated(reheader(b.mint(nil), `{"alg":"HS256","kid":"x"}`)))
		}},
		{"expired", "AADSTS700024", invalidClient, 401, "Client assertion is not within its valid time range. Current time: 2026-11-23T13:05:01.0000000Z, assertion valid from 2026-11-23T12:00:00.0000000Z, expiry time of assertion 2026-11-23T13:00:00.0000000Z. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .", func(b *workbench) reply {
			form := b.federated(b.mint(nil))
			b.clock.advance(time.Hour + 5*time.Minute + time.Second)
			return b.exchange(form)
		}},
		{"from_the_future", "AADSTS700024", invalidClient, 401, "Client assertion is not within its valid time range. Current time: 2026-11-23T12:00:00.0000000Z, assertion valid from 2026-11-23T12:05:01.0000000Z, expiry time of assertion 2026-11-23T13:05:01.0000000Z. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .", func(b *workbench) reply {
			return b.exchange(b.federated(b.mint(func(r *issuer.TokenRequest) { r.Now = b.clock.Now().Add(5*time.Minute + time.Second) })))
		}},
		{"bad_signature", "AADSTS700027", invalidClient, 401, "Client assertion failed signature validation.", func(b *workbench) reply {
			return b.exchange(b.federated(flip(b.mint(nil))))
		}},
		{"no_federation", "AADSTS70025", invalidClient, 401, "The client '{client}'(id-wi-api) has no configured federated identity credentials.", func(b *workbench) reply {
			if err := b.directory.DeleteCredential(b.t.Context(), b.identity.ObjectID, "wi-api"); err != nil {
				b.t.Fatal(err)
			}
			return with()(b)
		}},
		{"issuer", "AADSTS700211", invalidClient, 401, "No matching federated identity record found for presented assertion issuer '{issuer}'" + federationText, func(b *workbench) reply {
			b.trust("wi-api", strings.TrimSuffix(b.cluster.URL, "/"), "system:serviceaccount:widemo:wi-demo-sa", "api://AzureADTokenExchange")
			return with()(b)
		}},
		{"audience", "AADSTS700212", invalidClient, 401, "No matching federated identity record found for presented assertion audience 'https://kubernetes.default.svc'" + federationText, assertion(func(r *issuer.TokenRequest) { r.Audiences = []string{"https://kubernetes.default.svc"} })},
		{"subject", "AADSTS700213", invalidClient, 401, "No matching federated identity record found for presented assertion subject 'system:serviceaccount:staging:wi-demo-sa'" + federationText, assertion(func(r *issuer.TokenRequest) { r.Namespace = "staging" })},
		{"subject_case", "AADSTS7002138", invalidClient, 401, "No matching federated identity record found for presented assertion subject 'system:serviceaccount:WIdemo:wi-demo-sa'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison" + federationText, assertion(func(r *issuer.TokenRequest) { r.Namespace = "WIdemo" })},
		{"access_token_as_assertion", "AADSTS700222", invalidRequest, 400, "AAD-issued tokens may not be used for federated identity flows.", func(b *workbench) reply {
			return b.exchange(b.federated(with()(b).AccessToken))
		}},
		{"long_lived", "AADSTS70023", invalidRequest, 400, "External OIDC Provider token must have a lifetime of less than or equal to 1.01:00:00. Token issued at 1795435200. Token expires on 1795528800.", assertion(func(r *issuer.TokenRequest) { r.ExpirationSeconds = 93600 })},
		{"unreachable", "AADSTS90061", invalidRequest, 400, "Request to External OIDC endpoint failed.", remote(
			func(context.Context, string, string) (jose.KeySet, error) {
				return jose.KeySet{}, &jose.FetchError{Reason: jose.ErrUnreachable, Issuer: remoteIssuer}
			},
			func(b *workbench) reply { return b.exchange(b.federated(b.sign(remoteClaims(b.clock.Now())))) })},
		{"nobody_knows_the_issuer", "AADSTS90061", invalidRequest, 400, "Request to External OIDC endpoint failed.", remote(
			func(context.Context, string, string) (jose.KeySet, error) {
				return jose.KeySet{}, jose.ErrUnknownIssuer
			},
			func(b *workbench) reply { return b.exchange(b.federated(b.sign(remoteClaims(b.clock.Now())))) })},
		{"unknown_kid", "AADSTS7000272", invalidClient, 401, "The certificate with identifier strange used to sign the federated credential could not be found in the metadata of identity provider {issuer}. Please validate that your Identity Provider's metadata exposes the key used to sign the incoming token.", func(b *workbench) reply {
			return b.exchange(b.federated(reheader(b.mint(nil), `{"alg":"RS256","kid":"strange"}`)))
		}},
		{"another_client", "AADSTS700021", invalidClient, 401, "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .", func(b *workbench) reply {
			return b.exchange(b.certified(b.ownClaims(map[string]any{"iss": b.identity.AppID, "sub": b.identity.AppID})))
		}},
		{"another_subject", "AADSTS50048", invalidRequest, 400, "Subject must match the issuer claim in the client assertion.", func(b *workbench) reply {
			return b.exchange(b.certified(b.ownClaims(map[string]any{"sub": "somebody"})))
		}},
		{"another_endpoint", "AADSTS700023", invalidClient, 401, "Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .", func(b *workbench) reply {
			return b.exchange(b.certified(b.ownClaims(map[string]any{"aud": "https://login.microsoftonline.com/" + otherTenant + "/oauth2/v2.0/token"})))
		}},
		{"no_certificate", "AADSTS700027", invalidClient, 401, "Client assertion failed signature validation. [Reason - The key was not found.]", func(b *workbench) reply {
			return b.exchange(b.ownForm(signedBy(b.t, parsedKeys()[0], b.ownClaims(nil))))
		}},
		{"store_fails", "AADSTS50000", serverError, 500, "There was an error issuing a token or an issue with our sign-in service.", func(b *workbench) reply {
			b.service.options.Directory = directory.New(failingStore{b.store}, directory.Options{})
			return with()(b)
		}},
		{"overloaded", "AADSTS90055", temporarily, 429, "There are too many incoming requests. Retry after the time that Retry-After names.", func(b *workbench) reply {
			b.service.signer.limit = 0
			got := with()(b)
			if got.header.Get("Retry-After") != "1" {
				b.t.Errorf("got Retry-After %q, want 1", got.header.Get("Retry-After"))
			}
			return got
		}},
	}
}

func TestEveryRefusal(t *testing.T) {
	seen := map[string]bool{}
	for _, test := range refusals() {
		t.Run(test.name, func(t *testing.T) {
			b := newWorkbench(t, nil)
			got := test.send(b)
			seen[test.code] = true
			text := strings.NewReplacer("{client}", b.identity.AppID, "{app}", b.app.AppID, "{issuer}", b.cluster.URL).Replace(test.text)
			now := b.clock.Now().UTC().Format("2006-01-02 15:04:05Z")
			want := test.code + ": " + text + " Trace ID: " + got.Trace + " Correlation ID: " + got.Correlation + " Timestamp: " + now
			if got.Description != want {
				t.Errorf("got  %s\nwant %s", got.Description, want)
			}
			if got.status != test.status || got.Error != test.err || got.Timestamp != now || got.Trace == "" || got.Correlation == "" {
				t.Errorf("got %d %s %s trace %q correlation %q, want %d %s %s", got.status, got.Error, got.Timestamp, got.Trace, got.Correlation, test.status, test.err, now)
			}
			checkNumber(t, got, test.code)
		})
	}
	for _, code := range declaredCodes(t, "faults.go", "faults_client.go") {
		if !seen[code] {
			t.Errorf("no test provokes %s", code)
		}
	}
}

func checkNumber(t *testing.T, got reply, code string) {
	t.Helper()
	number, err := strconv.Atoi(strings.TrimPrefix(code, "AADSTS"))
	if err != nil {
		if len(got.Codes) != 0 || got.URI != "" {
			t.Errorf("got error_codes %v and %q for a refusal without number", got.Codes, got.URI)
		}
		return
	}
	uri := "https://login.microsoftonline.com/error?code=" + strconv.Itoa(number)
	if number == 700038 || number == 70003 {
		uri = ""
	}
	if len(got.Codes) != 1 || got.Codes[0] != number || got.URI != uri {
		t.Errorf("got error_codes %v, error_uri %q, want %d, %q", got.Codes, got.URI, number, uri)
	}
}

// declaredCodes reads the codes out of the files that declare them.
func declaredCodes(t *testing.T, files ...string) []string {
	t.Helper()
	var codes []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			if name, ok := pair.Key.(*ast.Ident); ok && name.Name == "Code" {
				if value, ok := pair.Value.(*ast.BasicLit); ok {
					code, err := strconv.Unquote(value.Value)
					if err != nil {
						t.Fatal(err)
					}
					codes = append(codes, code)
				}
			}
			return true
		})
	}
	if len(codes) < 20 {
		t.Fatalf("found only %d codes", len(codes))
	}
	return codes
}
