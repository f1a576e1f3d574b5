package controlplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	callTimeout = 10 * time.Second
	maxAnswer   = 1 << 20
	// adminBinding is the name that AKS gives to the binding of the groups in
	// aadProfile.adminGroupObjectIDs.
	adminBinding = "aks-cluster-admin-binding-aad"
)

// api talks to the API server of a cluster as an administrator.
type api struct {
	address string
	client  *http.Client
}

func newAPI(address string, ca []byte, client pair) (*api, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	certificate, err := tls.X509KeyPair(client.cert, client.key)
	if err != nil {
		return nil, err
	}
	return &api{address: address, client: &http.Client{Timeout: callTimeout, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}}}, nil
}

func (a *api) close() { a.client.CloseIdleConnections() }

func (a *api) do(ctx context.Context, method, path, media string, body any) error {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.address+path, reader)
	if err != nil {
		return err
	}
	if media != "" {
		request.Header.Set("Content-Type", media)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %d %.200s", method, path, response.StatusCode, text)
	}
	return nil
}

// ready reports that the API server serves and the controllers work: they make
// the service account that every namespace has.
func (a *api) ready(ctx context.Context) error {
	if err := a.do(ctx, http.MethodGet, "/readyz", "", nil); err != nil {
		return err
	}
	return a.do(ctx, http.MethodGet, "/api/v1/namespaces/default/serviceaccounts/default", "", nil)
}

// bindAdmins makes the members of the groups administrators of the cluster, and
// nobody else by that binding.
func (a *api) bindAdmins(ctx context.Context, groups []string) error {
	type object = map[string]any
	subjects := []object{}
	for _, group := range groups {
		subjects = append(subjects, object{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group})
	}
	binding := object{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": object{"name": adminBinding},
		"roleRef": object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}, "subjects": subjects,
	}
	path := "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/" + adminBinding + "?fieldManager=aksess&force=true"
	if err := a.do(ctx, http.MethodPatch, path, "application/apply-patch+yaml", binding); err != nil {
		return fmt.Errorf("binding the administrators' groups: %w", err)
	}
	return nil
}
