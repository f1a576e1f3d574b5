// Package deploy sets resources up on a local Azure as its deployer: a client of
// the token service, Resource Manager and the data planes over plain HTTP, for
// the demo, the command line and Go tests that have no SDK at hand.
//
// It knows how to ask, not what to ask for: bodies and ids are its callers'.
package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Resources that tokens are asked for.
const (
	ResourceManager = "https://management.azure.com"
	KeyVault        = "https://vault.azure.net"
	AppConfig       = "https://azconfig.io"
	Storage         = "https://storage.azure.com"
)

const maxAnswer = 8 << 20 // bytes

// Client acts as one principal with a client secret. It is safe for concurrent use.
type Client struct {
	HTTP         *http.Client // reaches the local Azure by Azure's host names
	TenantID     string
	ClientID     string
	ClientSecret string // a secret: never log it

	Now func() time.Time // the local Azure's clock; time.Now when nil

	mu     sync.Mutex
	tokens map[string]Token // by resource
}

// Token is the token service's answer.
type Token struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"` // seconds

	until time.Time
}

// Error is an answer that is no success.
type Error struct {
	Method, URL string
	Status      int
	Body        string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: %d %s: %s", e.Method, e.URL, e.Status, http.StatusText(e.Status), e.Body)
}

// Call is one request.
type Call struct {
	Method, URL string
	Token       string // bearer; none when ""
	Body        any    // url.Values as a form, a string as it is, anything else as JSON
	Header      map[string]string
}

// Do sends a request and decodes a JSON answer into out, which may be nil. An
// answer of 300 or above is an *Error.
func (c *Client) Do(ctx context.Context, call Call, out any) error {
	body, contentType, err := encode(call.Body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, call.Method, call.URL, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	if call.Token != "" {
		request.Header.Set("Authorization", "Bearer "+call.Token)
	}
	for name, value := range call.Header {
		request.Header.Set(name, value)
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return &Error{Method: call.Method, URL: request.URL.Scheme + "://" + request.URL.Host + request.URL.Path, Status: response.StatusCode, Body: string(text)}
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, out)
}

func encode(body any) (io.Reader, string, error) {
	switch b := body.(type) {
	case nil:
		return nil, "application/json", nil
	case string:
		return strings.NewReader(b), "application/octet-stream", nil
	case url.Values:
		return strings.NewReader(b.Encode()), "application/x-www-form-urlencoded", nil
	default:
		encoded, err := json.Marshal(b)
		return bytes.NewReader(encoded), "application/json", err
	}
}

// Exchange asks the token service for a token of a resource; form names the
// client and its credential.
func (c *Client) Exchange(ctx context.Context, form url.Values, resource string) (Token, error) {
	form.Set("grant_type", "client_credentials")
	form.Set("scope", strings.TrimSuffix(resource, "/.default")+"/.default")
	var token Token
	err := c.Do(ctx, Call{
		Method: http.MethodPost, URL: "https://login.microsoftonline.com/" + c.TenantID + "/oauth2/v2.0/token", Body: form,
	}, &token)
	return token, err
}

// Assert exchanges a service account's token for an access token of a resource,
// as the identity with that client id.
func (c *Client) Assert(ctx context.Context, clientID, assertion, resource string) (Token, error) {
	return c.Exchange(ctx, url.Values{
		"client_id":             {clientID},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}, resource)
}

// Token is the client's own token for a resource, asked for when there is none
// that lives a minute longer.
func (c *Client) Token(ctx context.Context, resource string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token, ok := c.tokens[resource]; ok && token.until.Sub(c.now()) > time.Minute {
		return token.AccessToken, nil
	}
	token, err := c.Exchange(ctx, url.Values{"client_id": {c.ClientID}, "client_secret": {c.ClientSecret}}, resource)
	if err != nil {
		return "", fmt.Errorf("signing in as the deployer: %w", err)
	}
	token.until = c.now().Add(time.Duration(token.ExpiresIn) * time.Second)
	if c.tokens == nil {
		c.tokens = map[string]Token{}
	}
	c.tokens[resource] = token
	return token.AccessToken, nil
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// Manage sends a request to Resource Manager.
func (c *Client) Manage(ctx context.Context, method, id, apiVersion string, body, out any) error {
	token, err := c.Token(ctx, ResourceManager)
	if err != nil {
		return err
	}
	separator := "?"
	if strings.Contains(id, "?") {
		separator = "&"
	}
	return c.Do(ctx, Call{Method: method, URL: ResourceManager + id + separator + "api-version=" + apiVersion, Token: token, Body: body}, out)
}
