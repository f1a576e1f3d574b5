package inject

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/aksess/aksess/internal/chain"
)

// Config is what the operator of a cluster decides for all its pods. The zero
// value works: Azure's public cloud, no default tenant, no proxy.
type Config struct {
	TenantID      string // tenant of service accounts that name none; a GUID or a domain
	AuthorityHost string // token service; chain.PublicAuthorityHost when empty
	Audience      string // audience of the projected token; chain.TokenAudience when empty

	// NoOldTokenPath leaves out the second mount of the token, at the path that
	// upstream used before v1.6.0 and that many programs still hard-code.
	NoOldTokenPath bool

	Proxy      Proxy
	LocalAzure *LocalAzure // nil: the pods talk to the real Azure

	TokenEndpoint *TokenEndpoint // nil: every pod's tokens come from the token service
}

// Proxy describes the IMDS proxy that pods can ask for by annotation.
type Proxy struct {
	Image     string // image of the proxy; a pod that asks for the proxy is refused while it is empty
	InitImage string // image of the step that redirects IMDS traffic; Image when empty
	Port      int    // port of pods that choose none; chain.DefaultProxyPort when 0
	LogLevel  string // passed on to the proxy; "info" when empty

	Mode ProxyMode // of pods that choose none; ModeRedirect when empty
	// Pass names the paths of the node's metadata service that the proxy passes
	// on, its own list when empty. With "none" no user of a pod gets past the
	// redirection, since not even the proxy needs to.
	Pass string

	PullPolicy    string     // of both images; "IfNotPresent" when empty
	Resources     *Resources // of the proxy; DefaultProxyResources when nil
	InitResources *Resources // of the init step; likewise

	// Classic injects the proxy as an ordinary container, for clusters with nodes
	// that do not know sidecar containers (Kubernetes before 1.29).
	Classic bool
	// PrivilegedInit runs the init step privileged, which upstream's iptables
	// image is built for. Ours needs NET_ADMIN and no more.
	PrivilegedInit bool
}

// passNothing is the value of Pass for no path at all.
const passNothing = "none"

// ProxyMode is how the programs of a pod reach the proxy.
type ProxyMode string

// The modes.
const (
	// ModeRedirect sends what goes to the instance metadata service to the proxy.
	// Programs need not know; the init step needs NET_ADMIN.
	ModeRedirect ProxyMode = "redirect"
	// ModeEndpoint tells programs where the proxy is, by the variables of App
	// Service. Nothing in the pod needs a privilege.
	ModeEndpoint ProxyMode = "endpoint"
)

func (m ProxyMode) valid() bool { return m == ModeRedirect || m == ModeEndpoint }

// Resources are what a container asks for and may use: quantities by resource,
// in Kubernetes' notation. They are passed on as they are.
type Resources struct {
	Limits   map[string]string `json:"limits,omitempty"`
	Requests map[string]string `json:"requests,omitempty"`
}

// DefaultProxyResources leave the proxy, which takes up to 12 MiB, room for a
// burst. There is no CPU limit: throttling would only delay tokens.
func DefaultProxyResources() Resources {
	return Resources{
		Limits:   map[string]string{"memory": "64Mi"},
		Requests: map[string]string{"cpu": "10m", "memory": "16Mi"},
	}
}

// LocalAzure tells pods how to reach a local Azure: through its CONNECT proxy,
// trusting its certificate authority. Exactly one of CA and CAConfigMap is set.
type LocalAzure struct {
	ProxyURL string // http URL that pods can reach, without credentials
	NoProxy  string // hosts reached directly; the cluster's own names when empty

	// CA is the authority's certificate, PEM. It travels in an annotation of the
	// pod and a downward API volume, so no namespace needs to hold an object.
	CA []byte
	// CAConfigMap names a ConfigMap in every pod's namespace with the key ca.crt.
	CAConfigMap string
	// TrustStoreKey is the key of a PKCS #12 trust store in that ConfigMap. With
	// it JVMs are configured as well; they read no PEM file.
	TrustStoreKey string
	// TrustStorePassword opens the trust store. It protects nothing secret.
	TrustStorePassword string
}

// DefaultNoProxy is reached without the proxy by pods of a local Azure: the
// pod itself, the metadata service, which is the pod's own proxy where there is
// one, and the cluster. The kubelet expands the reference.
const DefaultNoProxy = "localhost,127.0.0.1,::1,169.254.169.254,.svc,.cluster.local,$(KUBERNETES_SERVICE_HOST)"

// Validate reports the first setting that no pod could be served with.
func (c Config) Validate() error {
	if c.TenantID != "" && !validTenant(c.TenantID) {
		return fmt.Errorf("tenant id %q is neither a GUID nor a domain name", c.TenantID)
	}
	if u, err := url.Parse(c.authorityHost()); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("authority host %q is not an https URL", c.AuthorityHost)
	}
	if err := c.Proxy.validate(); err != nil {
		return err
	}
	if c.TokenEndpoint != nil {
		if err := c.TokenEndpoint.validate(c.audience()); err != nil {
			return err
		}
	}
	if c.LocalAzure == nil {
		return nil
	}
	return c.LocalAzure.validate()
}

func (p Proxy) validate() error {
	switch {
	case p.Port != 0 && !validPort(int64(p.Port)):
		return fmt.Errorf("proxy port %d is not between 1 and 65535", p.Port)
	case p.Mode != "" && !p.Mode.valid():
		return fmt.Errorf("mode %q of the proxy is not redirect or endpoint", p.Mode)
	case p.Image == "" && p.InitImage != "":
		return errors.New("there is an image for the proxy's init step, but none for the proxy")
	case !slices.Contains([]string{"", "Always", "IfNotPresent", "Never"}, p.PullPolicy):
		return fmt.Errorf("pull policy %q of the proxy is not Always, IfNotPresent or Never", p.PullPolicy)
	}
	return nil
}

func (l *LocalAzure) validate() error {
	u, err := url.Parse(l.ProxyURL)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Port() == "" || u.User != nil {
		return fmt.Errorf("proxy URL %q of the local Azure is not of the form http://HOST:PORT", l.ProxyURL)
	}
	if (len(l.CA) == 0) == (l.CAConfigMap == "") {
		return errors.New("the local Azure needs one source for its certificate authority: a certificate or a ConfigMap")
	}
	if len(l.CA) > 0 {
		if err := validCertificate("local Azure", l.CA); err != nil {
			return err
		}
	}
	if l.TrustStoreKey != "" && l.CAConfigMap == "" {
		return errors.New("a trust store can only come from a ConfigMap")
	}
	return nil
}

func validCertificate(whose string, ca []byte) error {
	if block, _ := pem.Decode(ca); block == nil || block.Type != "CERTIFICATE" {
		return fmt.Errorf("the certificate authority of the %s is not a PEM certificate", whose)
	}
	if bytes.Contains(ca, []byte("PRIVATE KEY")) {
		return fmt.Errorf("the certificate authority of the %s comes with a private key, which must not reach a pod", whose)
	}
	return nil
}

func (c Config) authorityHost() string {
	if c.AuthorityHost == "" {
		return chain.PublicAuthorityHost
	}
	return c.AuthorityHost
}

func (c Config) audience() string {
	if c.Audience == "" {
		return chain.TokenAudience
	}
	return c.Audience
}

func (p Proxy) port() int {
	if p.Port == 0 {
		return chain.DefaultProxyPort
	}
	return p.Port
}

func (p Proxy) mode() ProxyMode {
	if p.Mode == "" {
		return ModeRedirect
	}
	return p.Mode
}

func (p Proxy) logLevel() string {
	if p.LogLevel == "" {
		return "info"
	}
	return p.LogLevel
}

func (p Proxy) initImage() string {
	if p.InitImage == "" {
		return p.Image
	}
	return p.InitImage
}

func (p Proxy) pullPolicy() string {
	if p.PullPolicy == "" {
		return "IfNotPresent"
	}
	return p.PullPolicy
}

func (l *LocalAzure) noProxy() string {
	if l.NoProxy == "" {
		return DefaultNoProxy
	}
	return l.NoProxy
}
