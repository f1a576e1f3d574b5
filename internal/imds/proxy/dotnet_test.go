package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/imds"
	"github.com/aksess/aksess/internal/imds/node"
)

// .NET's SDK runs in no test here, so its requests are written down as MSAL
// sends them and its answers read as MSAL reads them: AppServiceManagedIdentitySource.cs,
// ImdsManagedIdentitySource.cs, ManagedIdentityResponse.cs and
// ManagedIdentityErrorResponse.cs of
// https://github.com/AzureAD/microsoft-authentication-library-for-dotnet/tree/main/src/client/Microsoft.Identity.Client/ManagedIdentity,
// and ImdsManagedIdentityProbeSource.cs of
// https://github.com/Azure/azure-sdk-for-net/tree/main/sdk/identity/Azure.Identity/src.
const (
	dotnetAppService = "GET /msi/token?api-version=2019-08-01&resource=https%%3A%%2F%%2Fvault.azure.net%s HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n" +
		"X-IDENTITY-HEADER: %s\r\nAccept: application/json\r\nx-ms-client-request-id: 5d0f6e0e-4e1c-4b0f-8f3a-0d6b3b6f1c55\r\n" +
		"x-ms-return-client-request-id: true\r\nUser-Agent: azsdk-net-Identity/1.17.0 (.NET 9.0.0; Debian GNU/Linux 12)\r\n\r\n"
	dotnetMetadata = "GET /metadata/identity/%s HTTP/1.1\r\nHost: 169.254.169.254\r\n%s" +
		"x-client-SKU: MSAL.NetCore\r\nx-client-Ver: 4.83.0.0\r\nx-ms-correlation-id: 5d0f6e0e-4e1c-4b0f-8f3a-0d6b3b6f1c55\r\n\r\n"
	dotnetToken = "oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"
)

// raw sends a request as it stands.
func raw(t *testing.T, address, request string) (status int, body []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // of a test
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

// dotnetAnswer reads an answer's members in their order. MSAL takes no value
// but strings, and sets the same property from expires_on and expires_in: the
// one that comes last counts, as the time of the token's end in releases that
// do not tell one from the other.
func dotnetAnswer(t *testing.T, body []byte) map[string]string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	read := func() string {
		token, err := decoder.Token()
		text, ok := token.(string)
		if err != nil || !ok {
			t.Fatalf("%s: got %v (%v), want a string", body, token, err)
		}
		return text
	}
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		t.Fatalf("%s: got %v %v, want an object", body, begin, err)
	}
	answer, ends := map[string]string{}, ""
	for decoder.More() {
		name := read()
		answer[name] = read()
		if name == "expires_on" || name == "expires_in" {
			ends = answer[name]
		}
	}
	at, err := strconv.ParseInt(ends, 10, 64)
	if left := time.Until(time.Unix(at, 0)); err != nil || left < 50*time.Minute || left > 70*time.Minute {
		t.Errorf("%s: the token ends at %q, want a time in about an hour", body, ends)
	}
	return answer
}

// TestDotnet: what the SDK for .NET sends gets what it can read.
func TestDotnet(t *testing.T) {
	const objectID, resourceID = "44444444-4444-4444-4444-444444444444", "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u"
	const escapedID = "%2Fsubscriptions%2Fs%2FresourceGroups%2Fg%2Fproviders%2FMicrosoft.ManagedIdentity%2FuserAssignedIdentities%2Fu"
	var asked []imds.Selector
	source := func(_ context.Context, s imds.Selector, resource string) (*imds.Answer, error) {
		asked = append(asked, s)
		return imds.NewAnswer(imds.Token{Value: podToken, ClientID: podClient, Expires: time.Now().Add(time.Hour)}, resource), nil
	}
	address := startServer(t, Config{Tokens: source, Node: node.New(startMachine(t).address, nil, nil), Secret: secret})
	for name, test := range map[string]struct {
		request string
		want    imds.Selector
	}{
		"own":                  {fmt.Sprintf(dotnetAppService, "", secret), imds.Selector{}},
		"client_id":            {fmt.Sprintf(dotnetAppService, "&client_id="+podClient, secret), imds.Selector{ClientID: podClient}},
		"object_id":            {fmt.Sprintf(dotnetAppService, "&object_id="+objectID, secret), imds.Selector{ObjectID: objectID}},
		"mi_res_id":            {fmt.Sprintf(dotnetAppService, "&mi_res_id="+escapedID, secret), imds.Selector{ResourceID: resourceID}},
		"capabilities":         {fmt.Sprintf(dotnetAppService, "&xms_cc=CP1&token_sha256_to_refresh=0011", secret), imds.Selector{}},
		"metadata_own":         {fmt.Sprintf(dotnetMetadata, dotnetToken, "Metadata: true\r\n"), imds.Selector{}},
		"metadata_client_id":   {fmt.Sprintf(dotnetMetadata, dotnetToken+"&client_id="+podClient, "Metadata: true\r\n"), imds.Selector{ClientID: podClient}},
		"metadata_object_id":   {fmt.Sprintf(dotnetMetadata, dotnetToken+"&object_id="+objectID, "Metadata: true\r\n"), imds.Selector{ObjectID: objectID}},
		"metadata_resource_id": {fmt.Sprintf(dotnetMetadata, dotnetToken+"&msi_res_id="+escapedID, "Metadata: true\r\n"), imds.Selector{ResourceID: resourceID}},
	} {
		t.Run(name, func(t *testing.T) {
			asked = nil
			status, body := raw(t, address, test.request)
			if status != http.StatusOK || !slices.Equal(asked, []imds.Selector{test.want}) {
				t.Fatalf("got %d %s for %+v, want 200 for %+v", status, body, asked, test.want)
			}
			answer := dotnetAnswer(t, body)
			for member, want := range map[string]string{"access_token": podToken, "client_id": podClient, "resource": "https://vault.azure.net", "token_type": "Bearer"} {
				if answer[member] != want {
					t.Errorf("%s: got %q, want %q", member, answer[member], want)
				}
			}
		})
	}
}

// TestDotnetRefusals: the SDK shows a refusal's message, and repeats none that
// is for good; those are 404, 408, 429, 500, 503 and 504.
func TestDotnetRefusals(t *testing.T) {
	const unknown = "AADSTS700016: Application with identifier 'x' was not found in the directory"
	source := func(context.Context, imds.Selector, string) (*imds.Answer, error) {
		return nil, &imds.Error{Status: http.StatusBadRequest, Code: "unauthorized_client", Description: unknown}
	}
	address := startServer(t, Config{Tokens: source, Node: node.New(startMachine(t).address, nil, nil), Secret: secret})
	for name, test := range map[string]struct {
		request string
		status  int
		message string
	}{
		"app_service": {fmt.Sprintf(dotnetAppService, "", secret), 400, unknown},
		"stranger":    {fmt.Sprintf(dotnetAppService, "", "another"), 401, "X-IDENTITY-HEADER"},
		"metadata":    {fmt.Sprintf(dotnetMetadata, dotnetToken, "Metadata: true\r\n"), 400, unknown},
		// The probe of DefaultAzureCredential, after which it asks in earnest
		// unless the answer says "Identity not found".
		"probe": {fmt.Sprintf(dotnetMetadata, dotnetToken, ""), 400, "Required metadata header not specified"},
		// The probe for the second version of the protocol: 400 says that it is
		// there, and then the SDK may want a certificate.
		"second_version": {fmt.Sprintf(dotnetMetadata, "getplatformmetadata?cred-api-version=2.0", ""), 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := raw(t, address, test.request)
			var refusal struct {
				Message     string `json:"message"`
				Error       string `json:"error"`
				Description string `json:"error_description"`
			}
			if err := json.Unmarshal(body, &refusal); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if status != test.status || !strings.Contains(refusal.Message+refusal.Description, test.message) {
				t.Errorf("got %d %s, want %d with %q", status, body, test.status, test.message)
			}
		})
	}
}
