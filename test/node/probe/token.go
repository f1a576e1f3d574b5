package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// The metadata service of Azure's machines
// (https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token).
const (
	metadata  = "http://169.254.169.254"
	tokenPath = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
)

const maxAnswer = 1 << 20 // bytes

// claims is what a token says, or some of it.
type claims struct {
	Audience any    `json:"aud,omitempty"`
	ClientID string `json:"appid,omitempty"`
	ObjectID string `json:"oid,omitempty"`
	TenantID string `json:"tid,omitempty"`
	Subject  string `json:"sub,omitempty"`
	ID       string `json:"jti,omitempty"`
	Issued   int64  `json:"iat,omitempty"`
}

// reading is what the program read, as whom.
type reading struct {
	Claims claims `json:"claims"`
	Value  string `json:"value,omitempty"`
	Error  string `json:"error,omitempty"`
}

// readBySDK gets a token as Azure's SDK does and reads a secret with it.
func readBySDK(ctx context.Context, target string) reading {
	resource, err := resourceOf(target)
	if err != nil {
		return reading{Error: err.Error()}
	}
	// A new credential for each reading: the SDK's own cache must not answer.
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		return reading{Error: err.Error()}
	}
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{resource + "/.default"}})
	if err != nil {
		return reading{Error: err.Error()}
	}
	r := reading{Claims: claimsOf(token.Token)}
	if r.Value, err = read(ctx, target, token.Token); err != nil {
		r.Error = err.Error()
	}
	return r
}

// resourceOf is the audience of the service at the address.
func resourceOf(target string) (string, error) {
	parsed, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	_, domain, found := strings.Cut(parsed.Hostname(), ".")
	switch {
	case !found:
		return "", fmt.Errorf("%q is no service of Azure's", target)
	case strings.HasSuffix(domain, ".core.windows.net"):
		return "https://storage.azure.com", nil
	}
	return "https://" + domain, nil
}

// read is a GET with the token; of a JSON answer the value counts.
func read(ctx context.Context, target, token string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("x-ms-version", "2023-11-03") // storage services want to be told
	status, text, err := do(http.DefaultClient, request)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("reading %s: %d: %s", target, status, text)
	}
	var secret struct{ Value string }
	if json.Unmarshal(text, &secret) != nil {
		return string(text), nil
	}
	return secret.Value, nil
}

// reply is the metadata service's answer.
type reply struct {
	Status int     `json:"status"`
	Body   string  `json:"body,omitempty"`   // without a token
	Claims *claims `json:"claims,omitempty"` // of the token
	Error  string  `json:"error,omitempty"`
}

// plain asks the metadata service as curl would, with a header Metadata unless
// it is empty.
func plain(ctx context.Context, path, header string) reply {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, metadata+path, http.NoBody)
	if err != nil {
		return reply{Error: err.Error()}
	}
	if header != "" {
		request.Header.Set("Metadata", header)
	}
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	status, text, err := do(direct, request)
	if err != nil {
		return reply{Error: err.Error()}
	}
	answer := reply{Status: status}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(text, &token) == nil && token.AccessToken != "" {
		said := claimsOf(token.AccessToken)
		answer.Claims = &said
		return answer
	}
	answer.Body = string(text)
	return answer
}

func do(client *http.Client, request *http.Request) (int, []byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, text, err
}

// claimsOf reads a token without checking it.
func claimsOf(token string) claims {
	var said claims
	if parts := strings.Split(strings.TrimSpace(token), "."); len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(text, &said) // a token that says nothing
		}
	}
	return said
}
