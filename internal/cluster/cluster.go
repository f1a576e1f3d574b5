package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// ErrNotFound: the cluster has no such service account.
var ErrNotFound = errors.New("service account not found")

const maxAnswer = 4 << 20 // bytes

// Cluster is a connection to one API server. It is safe for concurrent use.
type Cluster struct {
	Name      string // of the kubeconfig's context, for messages
	Namespace string // of the kubeconfig's context; "default" when it names none

	server *url.URL
	client *http.Client
}

// Options choose the cluster.
type Options struct {
	Kubeconfig string   // a file; "" loads as kubectl does, KUBECONFIG included
	Content    []byte   // a kubeconfig itself, instead of a file
	Context    string   // "" is the current one
	Proxy      *url.URL // the API server is reached through it unless it is on this machine; nil asks the environment
}

// Connect reads a kubeconfig. It does not reach for the cluster yet.
func Connect(o Options) (*Cluster, error) {
	loader, err := o.loader()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.UserAgent = "aksess"
	config.Timeout = 30 * time.Second
	if o.Proxy != nil {
		config.Proxy = proxyBeyond(o.Proxy)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("preparing the connection to %s: %w", config.Host, err)
	}
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig's server %q: %w", config.Host, err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	name := o.Context
	if name == "" {
		name = raw.CurrentContext
	}
	return &Cluster{Name: name, Namespace: namespace, server: server, client: client}, nil
}

// proxyBeyond leads requests for other machines through the proxy, as the
// environment's settings do: a proxy's own machine is another one, as a rule.
func proxyBeyond(proxy *url.URL) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		address, err := netip.ParseAddr(r.URL.Hostname())
		if r.URL.Hostname() == "localhost" || err == nil && address.IsLoopback() {
			return nil, nil
		}
		return proxy, nil
	}
}

func (o Options) loader() (clientcmd.ClientConfig, error) {
	overrides := &clientcmd.ConfigOverrides{CurrentContext: o.Context}
	if o.Content != nil {
		config, err := clientcmd.Load(o.Content)
		if err != nil {
			return nil, err
		}
		return clientcmd.NewDefaultClientConfig(*config, overrides), nil
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides), nil
}

// ServiceAccount returns the annotations of a service account, or ErrNotFound.
func (c *Cluster) ServiceAccount(ctx context.Context, namespace, name string) (map[string]string, error) {
	var account struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	err := c.do(ctx, http.MethodGet, accountPath(namespace, name), nil, &account)
	if err != nil {
		return nil, fmt.Errorf("reading service account %s/%s of cluster %q: %w", namespace, name, c.Name, err)
	}
	return account.Metadata.Annotations, nil
}

// Token requests a token of a service account, as the kubelet does for a
// projected volume (https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/).
// The cluster may give it another life than asked for.
func (c *Cluster) Token(ctx context.Context, namespace, name, audience string, life time.Duration) (Token, error) {
	request := map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
		"spec": map[string]any{"audiences": []string{audience}, "expirationSeconds": int64(life / time.Second)},
	}
	var answer struct {
		Status struct {
			Token   string    `json:"token"`
			Expires time.Time `json:"expirationTimestamp"`
		} `json:"status"`
	}
	err := c.do(ctx, http.MethodPost, accountPath(namespace, name)+"/token", request, &answer)
	if err != nil {
		return Token{}, fmt.Errorf("requesting a token of service account %s/%s of cluster %q: %w", namespace, name, c.Name, err)
	}
	if answer.Status.Token == "" {
		return Token{}, fmt.Errorf("cluster %q answered the token request of %s/%s without a token", c.Name, namespace, name)
	}
	return Token{Value: answer.Status.Token, Expires: answer.Status.Expires}, nil
}

func accountPath(namespace, name string) string {
	return "/api/v1/namespaces/" + url.PathEscape(namespace) + "/serviceaccounts/" + url.PathEscape(name)
}

func (c *Cluster) do(ctx context.Context, method, path string, body, out any) error {
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.server.String(), "/")+path, reader)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return refusal(response.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}

// refusal is the error of an answer that is no success; Kubernetes says why in a Status.
func refusal(code int, text []byte) error {
	var status struct {
		Message string `json:"message"`
	}
	message := http.StatusText(code)
	if json.Unmarshal(text, &status) == nil && status.Message != "" {
		message = status.Message
	}
	if code == http.StatusNotFound {
		return fmt.Errorf("%w: %s", ErrNotFound, message)
	}
	return fmt.Errorf("%d: %s", code, message)
}
