package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/aksess/aksess/internal/cluster"
	"github.com/aksess/aksess/internal/deploy"
)

const apiClusters = "2025-10-01" // managedClusters

// connect returns the cluster that is meant and the local Azure that answers
// its identities: the running one when the cluster is its own or the service
// accounts' tenant is its tenant, nil for the real Azure.
func (c *common) connect(ctx context.Context, f execFlags) (*cluster.Cluster, *running, error) {
	dir, err := c.state()
	if err != nil {
		return nil, nil, err
	}
	local, err := findRunning(ctx, dir)
	if err != nil && !errors.Is(err, errNotRunning) {
		return nil, nil, err
	}
	if f.cluster == "" {
		from, err := cluster.Connect(cluster.Options{Kubeconfig: f.kubeconfig, Context: f.context})
		return from, local, err
	}
	if local == nil {
		return nil, nil, fmt.Errorf("%w with its state in %s, so it has no cluster %q; start one with 'aksess up'", errNotRunning, dir, f.cluster)
	}
	config, err := local.kubeconfig(ctx, f.cluster)
	if err != nil {
		return nil, nil, fmt.Errorf("fetching the kubeconfig of cluster %q: %w", f.cluster, err)
	}
	proxy, err := url.Parse(local.ProxyURL)
	if err != nil {
		return nil, nil, err
	}
	from, err := cluster.Connect(cluster.Options{Content: config, Proxy: proxy})
	return from, local, err
}

// kubeconfig fetches the administrator's kubeconfig of a cluster as the deployer.
func (r *running) kubeconfig(ctx context.Context, name string) ([]byte, error) {
	c, err := r.deployerClient()
	if err != nil {
		return nil, err
	}
	var list struct {
		Value []struct{ ID, Name string }
	}
	if err := c.Manage(ctx, http.MethodGet, "/subscriptions/"+r.SubscriptionID+"/providers/Microsoft.ContainerService/managedClusters", apiClusters, nil, &list); err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range list.Value {
		names = append(names, entry.Name)
		if !strings.EqualFold(entry.Name, name) {
			continue
		}
		var credentials struct {
			Kubeconfigs []struct{ Value []byte }
		}
		if err := c.Manage(ctx, http.MethodPost, entry.ID+"/listClusterAdminCredential", apiClusters, nil, &credentials); err != nil {
			return nil, err
		}
		if len(credentials.Kubeconfigs) == 0 {
			return nil, errors.New("the cluster gave none")
		}
		return credentials.Kubeconfigs[0].Value, nil
	}
	return nil, fmt.Errorf("there is no such cluster; there are %q", names)
}

// deployerClient is a client of the running local Azure as its deployer.
func (r *running) deployerClient() (*deploy.Client, error) {
	pem, err := os.ReadFile(r.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	proxy, err := url.Parse(r.ProxyURL)
	if err != nil {
		return nil, err
	}
	d, err := r.deployer()
	if err != nil {
		return nil, err
	}
	return &deploy.Client{
		HTTP: &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		}},
		TenantID: r.TenantID, ClientID: d.ClientID, ClientSecret: d.ClientSecret,
	}, nil
}
