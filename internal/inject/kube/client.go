package kube

import (
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Client holds the connections to one API server.
type Client struct {
	Metadata metadata.Interface
	Dynamic  dynamic.Interface
	config   *rest.Config
}

// NewClient connects with the kubeconfig file, or with the pod's own service
// account when kubeconfig is empty. Nothing is sent yet.
func NewClient(kubeconfig, userAgent string) (*Client, error) {
	config, err := loadConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	config.UserAgent = userAgent
	// Live reads of service accounts come in bursts, when a deployment starts.
	config.QPS, config.Burst = 100, 200
	config.WarningHandler = rest.NoWarnings{} // they are about API versions that are chosen here
	client := &Client{config: config}
	if client.Metadata, err = metadata.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	if client.Dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	return client, nil
}

func loadConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("reading the pod's service account: %w (outside a cluster, name a kubeconfig file)", err)
		}
		return config, nil
	}
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %q: %w", kubeconfig, err)
	}
	return config, nil
}
