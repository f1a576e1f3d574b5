package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/aksess/aksess/internal/cluster/driver"
	"github.com/aksess/aksess/internal/jose"
)

const (
	discoveryPath = "/.well-known/openid-configuration"
	keysPath      = "/openid/v1/jwks"
)

// Attached is a cluster that somebody else runs, as the driver of every cluster
// of a local Azure: its issuer is trusted as it stands, and the kubeconfig that
// leads to it is handed out. It starts and stops nothing.
type Attached struct {
	config []byte // the kubeconfig with nothing but the chosen context, files included
	issuer string
	remote *jose.Remote
}

// Attach reads the kubeconfig and asks the cluster for its issuer. now is the
// clock for how long the issuer's keys are kept. Close it.
func Attach(ctx context.Context, o Options, now func() time.Time) (*Attached, error) {
	connection, err := Connect(o)
	if err != nil {
		return nil, err
	}
	config, err := o.flatten()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	var discovery struct {
		Issuer string `json:"issuer"`
	}
	if err := connection.do(ctx, http.MethodGet, discoveryPath, nil, &discovery); err != nil {
		return nil, fmt.Errorf("asking cluster %q for its issuer: %w", connection.Name, err)
	}
	if !strings.HasPrefix(discovery.Issuer, "https://") {
		return nil, fmt.Errorf("the issuer of cluster %q is %q; a federated credential takes an https URL only", connection.Name, discovery.Issuer)
	}
	return &Attached{
		config: config, issuer: discovery.Issuer,
		remote: jose.NewRemote(jose.RemoteConfig{Transport: throughAPIServer{connection}, Now: now}),
	}, nil
}

// flatten is the kubeconfig reduced to the chosen context, with the content of
// the files that it names.
func (o Options) flatten() ([]byte, error) {
	loader, err := o.loader()
	if err != nil {
		return nil, err
	}
	config, err := loader.RawConfig()
	if err != nil {
		return nil, err
	}
	if o.Context != "" {
		config.CurrentContext = o.Context
	}
	if err := api.MinifyConfig(&config); err != nil {
		return nil, err
	}
	if err := api.FlattenConfig(&config); err != nil {
		return nil, err
	}
	return clientcmd.Write(config)
}

// Close drops the connections to the cluster.
func (a *Attached) Close() error {
	a.remote.Close()
	return nil
}

// Issuer is the cluster's own issuer.
func (a *Attached) Issuer() string { return a.issuer }

// Start does nothing: the cluster runs or it does not.
func (a *Attached) Start(context.Context, driver.Spec) error { return nil }

// Stop refuses: the cluster belongs to somebody else.
func (a *Attached) Stop(context.Context, string) error {
	return fmt.Errorf("the cluster is attached, not run by this local Azure: %w", errors.ErrUnsupported)
}

// Delete lets go of the cluster and leaves it as it is.
func (a *Attached) Delete(context.Context, string) error { return nil }

// Kubeconfig is the one that was given, for administrators; for others it is
// driver.ErrNotAdministrator. Whom else the cluster knows is its own affair.
func (a *Attached) Kubeconfig(_ context.Context, spec driver.Spec, user driver.User) ([]byte, error) {
	if !spec.Administers(user) {
		return nil, driver.ErrNotAdministrator
	}
	return bytes.Clone(a.config), nil
}

// Keys implements jose.KeySource for the cluster's issuer. They are read
// through the API server, so that an issuer that is no name on this network
// works as well.
func (a *Attached) Keys(ctx context.Context, issuer, kid string) (jose.KeySet, error) {
	if issuer != a.issuer {
		return jose.KeySet{}, fmt.Errorf("%w: %.200q is not the attached cluster's", jose.ErrUnknownIssuer, issuer)
	}
	return a.remote.Keys(ctx, issuer, kid)
}

var _ jose.KeySource = (*Attached)(nil)

// throughAPIServer asks the cluster's API server for the issuer's two
// documents, with the kubeconfig's credential, wherever the issuer's URL points.
type throughAPIServer struct{ cluster *Cluster }

// RoundTrip implements http.RoundTripper.
func (t throughAPIServer) RoundTrip(r *http.Request) (*http.Response, error) {
	path := keysPath
	if strings.HasSuffix(r.URL.Path, discoveryPath) {
		path = discoveryPath
	}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, strings.TrimSuffix(t.cluster.server.String(), "/")+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header = r.Header.Clone()
	response, err := t.cluster.client.Do(request)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxAnswer), response.Body}
	response.Request = r
	return response, nil
}
