package webhook

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/aksess/aksess/internal/inject"
	"github.com/aksess/aksess/internal/inject/kube"
)

// certSource says where the serving certificate comes from.
type certSource string

const (
	certSecret certSource = "secret" // made by the leader, kept in two Secrets
	certFiles  certSource = "files"  // made by this process, kept in a folder
	certMemory certSource = "memory" // made by this process, for itself
	certGiven  certSource = "given"  // made by somebody else, in two files
)

// certFlags are the flags about the serving certificate.
type certFlags struct {
	source     string
	noRotation bool
	dnsNames   list
	service    string
}

// certOptions are those flags, resolved.
type certOptions struct {
	source    certSource
	dir       string
	names     []string // the webhook's Service first
	lives     inject.Lives
	namespace string // of the webhook
	replica   string // name of this replica
	caSecret  string
	tlsSecret string
	lease     string
	leaseTerm time.Duration
}

func (r *raw) certificates(flags *flag.FlagSet) {
	c, lives := &r.certs, inject.DefaultLives()
	flags.StringVar(&r.source, "cert-source", "", "where the certificate comes from: `secret`, files or memory (default files with --webhook-cert-dir, else memory)")
	flags.StringVar(&c.tlsSecret, "cert-secret", "aksess-webhook-tls", "`name` of the Secret with the serving certificate, in the namespace POD_NAMESPACE")
	flags.StringVar(&c.caSecret, "ca-secret", "aksess-webhook-ca", "`name` of the Secret with the certificate authority and its key, for the leader alone")
	flags.StringVar(&c.lease, "lease", "aksess-webhook", "`name` of the leader's Lease")
	flags.DurationVar(&c.leaseTerm, "lease-duration", kube.DefaultLeaseDuration, "`time` after which a silent leader is replaced")
	flags.DurationVar(&c.lives.Authority, "ca-life", lives.Authority, "`time` that a certificate authority lives; replaced after two thirds")
	flags.DurationVar(&c.lives.Leaf, "cert-life", lives.Leaf, "`time` that a serving certificate lives; replaced after two thirds")
	flags.DurationVar(&c.lives.Overlap, "ca-overlap", lives.Overlap, "`time` that a new authority is published before it signs, and the old one after")
	flags.StringVar(&c.dir, "webhook-cert-dir", "", "`folder` that keeps the certificates, or holds those made by somebody else")
	flags.BoolVar(&r.noRotation, "disable-cert-rotation", false, "serve tls.crt and tls.key of --webhook-cert-dir, made by somebody else")
	flags.Var(&r.dnsNames, "dns-name", "further `name` or address of the serving certificate; may be repeated")
	flags.StringVar(&r.service, "service-name", defaultService, "`name` of the webhook's Service, in the namespace POD_NAMESPACE")
}

func (r *raw) resolveCertificates(getenv func(string) string) error {
	c := &r.certs
	c.source = certSource(r.source)
	if c.source == "" {
		if c.source = certMemory; c.dir != "" {
			c.source = certFiles
		}
	}
	switch {
	case c.source != certSecret && c.source != certFiles && c.source != certMemory:
		return fmt.Errorf("--cert-source has value %q, expected secret, files or memory: %w", r.source, errUsage)
	case r.noRotation && (c.source != certFiles || c.dir == ""):
		return fmt.Errorf("--disable-cert-rotation needs --webhook-cert-dir: %w", errUsage)
	case c.source == certFiles && c.dir == "":
		return fmt.Errorf("--cert-source=files needs --webhook-cert-dir: %w", errUsage)
	case c.source != certFiles && c.dir != "":
		return fmt.Errorf("--webhook-cert-dir has no use with --cert-source=%s: %w", c.source, errUsage)
	case c.caSecret == c.tlsSecret:
		return fmt.Errorf("--ca-secret and --cert-secret are both %q: the authority's key is not for every replica: %w", c.caSecret, errUsage)
	case c.leaseTerm < time.Second:
		return fmt.Errorf("--lease-duration is %s, expected a second or more: %w", c.leaseTerm, errUsage)
	case r.noRotation:
		c.source = certGiven
	}
	if err := c.lives.Validate(); err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	c.namespace = cmp.Or(getenv("POD_NAMESPACE"), defaultNamespace)
	service := r.service + "." + c.namespace + ".svc"
	c.names = append([]string{service, service + ".cluster.local", "localhost", "127.0.0.1", "::1"}, r.dnsNames...)
	c.replica = cmp.Or(getenv("POD_NAME"), hostname())
	return nil
}

// hostname is the pod's name in most clusters.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return defaultService
	}
	return name
}
