package federated

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/imds"
)

// Bounds of what is read.
const (
	maxAssertion = 64 << 10
	maxResponse  = 256 << 10
	tries        = 2 // of an exchange whose connection failed
)

// exchange asks the token service once, or again if the connection failed.
// Errors are an *imds.Error. It is logged here, once for all who wait.
func (c *Client) exchange(ctx context.Context, k key) (*token, error) {
	began := c.config.Now()
	t, err := c.ask(ctx, k)
	took := c.config.Now().Sub(began)
	c.counters.exchanged(took)
	log := c.config.Log.With("client", k.client, "resource", k.resource, "took", took.String())
	if err == nil {
		log.InfoContext(ctx, "got a token", "expires", t.expires.UTC().Format(time.RFC3339))
		return t, nil
	}
	var refusal *imds.Error
	if !errors.As(err, &refusal) {
		refusal = outage("The token service cannot be reached", err)
	}
	cause := refusal.Cause
	refusal.Cause = nil
	log.WarnContext(ctx, "no token", "status", refusal.Status, "code", refusal.Code, "text", refusal.Description, "cause", cause)
	return nil, refusal
}

func (c *Client) ask(ctx context.Context, k key) (*token, error) {
	assertion, err := c.assertion()
	if err != nil {
		return nil, outage("The service account token cannot be read", err)
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {k.client}, "scope": {scope(k.resource)},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}.Encode()
	for try := 1; ; try++ {
		t, err := c.post(ctx, k, form)
		var broken *url.Error
		if err == nil || try >= tries || !errors.As(err, &broken) || ctx.Err() != nil {
			return t, err
		}
	}
}

// scope is a resource as the v2 endpoint takes it; a slash at its end is part of it.
func scope(resource string) string {
	const all = "/.default"
	if strings.HasSuffix(resource, all) {
		return resource
	}
	return resource + all
}

// assertion reads the projected token. It is read for each exchange, so that
// one that the kubelet has renewed counts from then on.
func (c *Client) assertion() (string, error) {
	file, err := os.Open(c.config.TokenFile)
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(file, maxAssertion+1))
	if err != nil {
		return "", err
	}
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
		return "", fmt.Errorf("%s is empty", c.config.TokenFile)
	case len(text) > maxAssertion:
		return "", fmt.Errorf("%s is longer than %d bytes", c.config.TokenFile, maxAssertion)
	}
	return string(text), nil
}

func (c *Client) post(ctx context.Context, k key, form string) (*token, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.authority.String(), strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "aksess-proxy")
	sent := c.config.Now().Round(0) // the wall clock: the other one stands still while a machine sleeps
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return nil, err
	}
	var body tokenResponse
	broken := json.Unmarshal(text, &body)
	if response.StatusCode != http.StatusOK {
		return nil, refused(response.StatusCode, response.Header, body)
	}
	if broken != nil || !body.good() {
		return nil, outage("The token service's answer is not understood", broken)
	}
	return c.read(k, body, sent), nil
}

// tokenResponse is what the token service answers, good or bad.
type tokenResponse struct {
	AccessToken string   `json:"access_token"`
	ExpiresIn   duration `json:"expires_in"`
	RefreshIn   duration `json:"refresh_in"`
	TokenType   string   `json:"token_type"`
	Error       string   `json:"error"`
	Description string   `json:"error_description"`
}

// good reports whether there is a token that can be passed on.
func (r tokenResponse) good() bool {
	printable := !strings.ContainsFunc(r.AccessToken, func(c rune) bool { return c <= ' ' || c >= 0x7f })
	return r.AccessToken != "" && printable && strings.EqualFold(r.TokenType, "Bearer") && r.ExpiresIn > 0
}

// duration is a number of seconds, which the v1 endpoint writes as a string.
type duration time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (d *duration) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	const longest = 30 * 24 * time.Hour
	if err != nil || n < 0 || n > longest.Seconds() {
		return fmt.Errorf("%q is no number of seconds", text)
	}
	*d = duration(n * float64(time.Second))
	return nil
}

// read makes a token of an answer to a request that was sent at a time.
func (c *Client) read(k key, body tokenResponse, sent time.Time) *token {
	said := readClaims(body.AccessToken)
	life := time.Duration(body.ExpiresIn)
	t := &token{expires: sent.Add(life), objectID: said.ObjectID, resourceID: said.ResourceID}
	t.stale = t.expires.Add(-min(5*time.Minute, life/4))
	notBefore := sent
	if said.NotBefore > 0 {
		notBefore = time.Unix(int64(said.NotBefore), 0)
	}
	t.answer = imds.NewAnswer(imds.Token{Value: body.AccessToken, ClientID: k.client, NotBefore: notBefore, Expires: t.expires}, k.resource)
	t.refresh.Store(sent.Add(c.ahead(life, time.Duration(body.RefreshIn))).UnixNano())
	return t
}

// ahead is when a token is refreshed: as the service says, else after two
// thirds of its life, later by up to a tenth so that the pods of a deployment
// do not all come at once.
func (c *Client) ahead(life, refreshIn time.Duration) time.Duration {
	spread := time.Duration(c.config.Jitter() * float64(life/10))
	if refreshIn > 0 && refreshIn < life {
		return refreshIn + min(spread, (life-refreshIn)/2)
	}
	return life*13/20 + spread
}
