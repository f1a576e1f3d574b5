package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/cluster"
)

// upFlags are the flags of commands that start a local Azure.
type upFlags struct {
	listen              string
	ephemeral           bool
	allowRemote         bool
	passthrough         bool
	clientAddress       string
	tenant              string
	subscription        string
	allowPrivateIssuers bool
	issuerCAs           []string
	acceptUnknown       bool
	machineIdentities   []string
	faults              []string
	clusters            clusterFlags
}

func (f *upFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:0", "address of the one port, TLS and proxy alike; port 0 takes a free one")
	flags.BoolVar(&f.ephemeral, "ephemeral", false, "keep the state in memory and forget it at the end")
	flags.BoolVar(&f.allowRemote, "allow-remote", false, "permit listening on an address that other machines reach")
	flags.BoolVar(&f.passthrough, "passthrough", false, "let hosts that are not Azure's through to the network instead of refusing them with 403")
	flags.StringVar(&f.clientAddress, "client-address", "", "public address that callers on this machine are seen to come from by resource firewalls (default 203.0.113.10)")
	flags.StringVar(&f.tenant, "tenant", "", "tenant id of a new state (default a random GUID)")
	flags.StringVar(&f.subscription, "subscription", "", "subscription id of a new state (default a random GUID)")
	flags.BoolVar(&f.allowPrivateIssuers, "allow-private-issuers", false, "fetch the keys of OIDC issuers on loopback and private addresses too")
	flags.StringArrayVar(&f.machineIdentities, "machine-identity", nil, "managed identity of this machine, for programs that ask its metadata service: client id, object id or resource id; it may be created later; may be repeated")
	flags.StringArrayVar(&f.faults, "fault", nil, "make a failure of the real Azure happen, may be repeated:\n"+faultForms())
	f.clusters.register(flags)
	flags.BoolVar(&f.acceptUnknown, "accept-unknown", false, "store resources of types that are not served as they are sent, without meaning, so that a larger configuration can be applied")
	flags.StringArrayVar(&f.issuerCAs, "issuer-ca", nil, "PEM file with certificates to trust for OIDC issuers, beside the system's; may be repeated")
}

func (f *upFlags) config() (app.Config, error) {
	config := app.Config{
		Listen: f.listen, AllowRemote: f.allowRemote, Passthrough: f.passthrough,
		TenantID: f.tenant, SubscriptionID: f.subscription, AllowPrivateIssuers: f.allowPrivateIssuers,
		AcceptUnknown: f.acceptUnknown, MachineIdentities: f.machineIdentities, Faults: f.faults,
		Clusters: f.clusters.config(),
	}
	if f.clientAddress != "" {
		address, err := netip.ParseAddr(f.clientAddress)
		if err != nil {
			return config, usageError{fmt.Errorf("--client-address %q is not an IP address", f.clientAddress)}
		}
		config.ClientAddress = address
	}
	if len(f.issuerCAs) == 0 {
		return config, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, file := range f.issuerCAs {
		text, err := os.ReadFile(file)
		if err != nil {
			return config, fmt.Errorf("reading --issuer-ca: %w", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return config, fmt.Errorf("--issuer-ca %s holds no PEM certificate", file)
		}
	}
	config.IssuerCAs = pool
	return config, nil
}

// faultForms lists the failures, one on a line.
func faultForms() string {
	var lines []string
	for _, form := range app.FaultForms() {
		lines = append(lines, form.Form+": "+form.Text)
	}
	return strings.Join(lines, "\n")
}

// clusterFlags choose what is behind managed clusters.
type clusterFlags struct {
	driver, binDir, kubeconfig, context string
}

func (f *clusterFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.driver, "cluster-driver", "", "what is behind managed clusters: issuer-only (default), control-plane (a real API server and etcd, as child processes), attach (the cluster of --kubeconfig), kind")
	flags.StringVar(&f.binDir, "kube-bin-dir", "", "folder of kube-apiserver, kube-controller-manager and etcd for control-plane (default PATH)")
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig file of the cluster to attach (default as kubectl); implies --cluster-driver attach")
	flags.StringVar(&f.context, "kube-context", "", "context of the kubeconfig (default the current one); implies --cluster-driver attach")
}

func (f *clusterFlags) config() app.Clusters {
	driver := f.driver
	if f.kubeconfig != "" || f.context != "" {
		driver = cmp.Or(driver, app.ClustersAttach)
	}
	return app.Clusters{
		Driver: driver, BinDir: f.binDir,
		Attach: func(ctx context.Context, now func() time.Time) (app.AttachedCluster, error) {
			attached, err := cluster.Attach(ctx, cluster.Options{Kubeconfig: f.kubeconfig, Context: f.context}, now)
			if err != nil {
				return nil, err
			}
			return attached, nil
		},
	}
}
