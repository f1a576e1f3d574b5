package webhook

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/imds/node"
	"github.com/aksess/aksess/internal/inject"
)

// podFlags are the flags about what pods get that need more than parsing.
type podFlags struct {
	oldTokenPath   bool
	proxyResources resources
	initResources  resources
	localAzure     inject.LocalAzure
	localAzureCA   string
	authorityHost  string
	tokenEndpoint  inject.TokenEndpoint
}

func (r *raw) pods(flags *flag.FlagSet) {
	c, l := &r.inject, &r.localAzure
	flags.StringVar(&c.TenantID, "tenant-id", "", "`tenant` of service accounts that name none; else AZURE_TENANT_ID")
	flags.StringVar(&r.authorityHost, "authority-host", "", "`URL` of the token service; else by AZURE_ENVIRONMENT")
	flags.StringVar(&c.Audience, "audience", "", "`audience` of the projected token; else "+chain.TokenAudience)
	flags.BoolVar(&r.oldTokenPath, "old-token-path", true, "mount the token at "+chain.OldTokenFile+" as well")
	flags.StringVar(&r.sidecar, "proxy-sidecar", "auto", "how the proxy is injected: native, classic, or auto by the API server's version")
	flags.StringVar((*string)(&c.Proxy.Mode), "proxy-mode", string(inject.ModeRedirect), "how programs reach the proxy in pods that choose nothing: redirect, or endpoint, which needs no privilege")
	flags.IntVar(&c.Proxy.Port, "proxy-port", 0, "`port` of the proxy in pods that choose none (default 8000)")
	flags.StringVar(&c.Proxy.Pass, "proxy-pass", "", "`paths` of the node's metadata service that the proxy passes on, its --pass; \"none\" for none (default the proxy's own list)")
	flags.BoolVar(&c.Proxy.PrivilegedInit, "proxy-init-privileged", false, "run the proxy's init step privileged, as upstream's iptables image needs it")
	flags.StringVar(&c.Proxy.PullPolicy, "proxy-pull-policy", "IfNotPresent", "`policy` of the proxy's images: Always, IfNotPresent or Never")
	r.proxyResources, r.initResources = resources(inject.DefaultProxyResources()), resources(inject.DefaultProxyResources())
	flags.Var(&r.proxyResources, "proxy-resources", "requests and limits of the proxy, `JSON` as in a container")
	flags.Var(&r.initResources, "proxy-init-resources", "requests and limits of the proxy's init step, likewise `JSON`")
	flags.StringVar(&r.tokenEndpoint.Suffix, "custom-token-endpoint-annotation-suffix", "", "pods use the endpoint AZURE_KUBERNETES_TOKEN_PROXY by the annotation "+chain.AnnotationUsePrefix+"`SUFFIX` (default "+chain.BindingSuffix+")")
	flags.StringVar(&r.tokenEndpoint.Audience, "custom-token-endpoint-audience", "", "`audience` of those pods' token (default "+chain.BindingAudience+")")
	flags.BoolVar(&r.warn, "warn-webhook", false, "serve "+inject.WarnPath+" as well, for a webhook that warns about objects whose pods look as if they should take part")
	flags.StringVar(&l.ProxyURL, "local-azure-proxy", "", "pods reach a local Azure through the CONNECT proxy at this `URL`")
	flags.StringVar(&l.NoProxy, "local-azure-no-proxy", "", "`hosts` that those pods reach directly (default the cluster's own)")
	flags.StringVar(&r.localAzureCA, "local-azure-ca", "", "`file` with the local Azure's certificate authority, PEM")
	flags.StringVar(&l.CAConfigMap, "local-azure-ca-config-map", "", "`name` of a ConfigMap with ca.crt in every namespace, instead of --local-azure-ca")
	flags.StringVar(&l.TrustStoreKey, "local-azure-trust-store-key", "", "`key` of a PKCS #12 trust store in that ConfigMap, for JVMs")
	flags.StringVar(&l.TrustStorePassword, "local-azure-trust-store-password", "", "`password` of that trust store")
}

// resolvePods fills in the environment and checks what no flag type does.
func (r *raw) resolvePods(getenv func(string) string) error {
	c := &r.inject
	c.TenantID = cmp.Or(c.TenantID, getenv("AZURE_TENANT_ID"))
	if c.TenantID == "" {
		return fmt.Errorf("AZURE_TENANT_ID is required, or --tenant-id: %w", errUsage)
	}
	c.AuthorityHost = r.authorityHost
	if c.AuthorityHost == "" {
		var err error
		if c.AuthorityHost, err = authorityHost(getenv("AZURE_ENVIRONMENT"), getenv("AZURE_ENVIRONMENT_FILEPATH")); err != nil {
			return err
		}
	}
	c.NoOldTokenPath = !r.oldTokenPath
	c.Proxy.Image, c.Proxy.InitImage = getenv("PROXY_IMAGE"), getenv("PROXY_INIT_IMAGE")
	c.Proxy.LogLevel = r.logLevel
	c.Proxy.Resources, c.Proxy.InitResources = (*inject.Resources)(&r.proxyResources), (*inject.Resources)(&r.initResources)
	if c.Proxy.Pass != "" {
		if _, err := node.ParseRules(c.Proxy.Pass); err != nil {
			return fmt.Errorf("--proxy-pass: %w", err)
		}
	}
	switch r.sidecar {
	case "auto", "native":
	case "classic":
		c.Proxy.Classic = true
	default:
		return fmt.Errorf("--proxy-sidecar has value %q, expected auto, native or classic: %w", r.sidecar, errUsage)
	}
	if err := r.resolveTokenEndpoint(getenv); err != nil {
		return err
	}
	if err := r.resolveLocalAzure(); err != nil {
		return err
	}
	return c.Validate()
}

// resolveTokenEndpoint reads what upstream reads from the environment too. Its
// webhook starts without the endpoint itself and injects what no SDK takes.
func (r *raw) resolveTokenEndpoint(getenv func(string) string) error {
	e := &r.tokenEndpoint
	e.ProxyURL, e.SNIName = getenv(chain.EnvKubernetesTokenProxy), getenv(chain.EnvKubernetesSNIName)
	e.CAData, e.CAConfigMap = getenv(chain.EnvKubernetesCAData), getenv("AZURE_KUBERNETES_CA_CONFIGMAP_NAME")
	e.CASigner = getenv("AZURE_KUBERNETES_CA_CTB_SIGNER_NAME")
	if text := getenv("AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR"); text != "" {
		var err error
		if e.CALabels, err = labelSelector(text); err != nil {
			return fmt.Errorf("AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR: %w", err)
		}
	}
	if e.ProxyURL != "" {
		r.inject.TokenEndpoint = e
		return nil
	}
	if *e != (inject.TokenEndpoint{}) {
		return fmt.Errorf("%s is missing, the other settings of the custom token endpoint need it: %w", chain.EnvKubernetesTokenProxy, errUsage)
	}
	return nil
}

// labelSelector checks a selector as the API server would.
func labelSelector(text string) (*inject.LabelSelector, error) {
	var theirs metav1.LabelSelector
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&theirs); err != nil {
		return nil, err
	}
	if _, err := metav1.LabelSelectorAsSelector(&theirs); err != nil {
		return nil, err
	}
	ours := &inject.LabelSelector{MatchLabels: theirs.MatchLabels}
	for _, e := range theirs.MatchExpressions {
		ours.MatchExpressions = append(ours.MatchExpressions, inject.LabelRequirement{Key: e.Key, Operator: string(e.Operator), Values: e.Values})
	}
	return ours, nil
}

func (r *raw) resolveLocalAzure() error {
	if r.localAzureCA != "" {
		ca, err := os.ReadFile(filepath.Clean(r.localAzureCA))
		if err != nil {
			return fmt.Errorf("reading the local Azure's certificate authority: %w", err)
		}
		r.localAzure.CA = ca
	}
	if r.localAzure.ProxyURL != "" {
		r.inject.LocalAzure = &r.localAzure
		return nil
	}
	l := r.localAzure
	if len(l.CA) > 0 || l.CAConfigMap != "" || l.NoProxy != "" || l.TrustStoreKey != "" || l.TrustStorePassword != "" {
		return fmt.Errorf("--local-azure-proxy is missing, the other --local-azure flags need it: %w", errUsage)
	}
	return nil
}
