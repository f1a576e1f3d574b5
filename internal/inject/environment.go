package inject

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// EnvVar is one variable of a container's environment.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Environment returns the variables that the webhook sets in the containers of
// every pod with this service account, in order, and the warnings that go with
// them. What a pod asks for by its own annotations comes in addition. File names are those inside a pod: a caller that runs the program
// elsewhere replaces AZURE_FEDERATED_TOKEN_FILE and the CA variables.
// Variables without a value are left out. The error is a [*Denied].
func Environment(sa ServiceAccount, cfg Config) ([]EnvVar, []string, error) {
	id, err := identify(sa, cfg)
	if err != nil {
		return nil, nil, err
	}
	warnings := id.warnings
	if id.nameless() {
		warnings = append(warnings, id.missingClient(sa))
	}
	if id.tenantID == "" {
		warnings = append(warnings, id.missingTenant(sa))
	}
	variables := id.environment(cfg)
	if cfg.LocalAzure != nil {
		variables = append(variables, cfg.LocalAzure.environment()...)
	}
	return variables, warnings, nil
}

// variable is one that a container gets unless it has it, or a rival, already.
type variable struct {
	name   string
	rivals []string        // names that must not be there beside ours
	entry  json.RawMessage // of the container's env
}

func (m *mutation) prepareVariables() {
	m.variables = make([]variable, 0, 16)
	m.set(m.id.environment(m.cfg))
	if m.settings.binding {
		m.setTokenEndpoint()
	}
	if m.settings.endpoint() {
		m.setEndpoint()
	}
	m.identityVars = len(m.variables)
	if m.cfg.LocalAzure != nil {
		m.set(m.cfg.LocalAzure.environment())
	}
}

func (m *mutation) set(variables []EnvVar, rivals ...string) {
	for _, v := range variables {
		m.variables = append(m.variables, variable{name: v.Name, rivals: rivals, entry: v.entry()})
	}
}

// entry is the variable in a container's env, at a quarter of json.Marshal's cost
// for values without anything to escape.
func (v EnvVar) entry() json.RawMessage {
	if strings.ContainsFunc(v.Name, escaped) || strings.ContainsFunc(v.Value, escaped) {
		return encode(v)
	}
	entry := make([]byte, 0, len(v.Name)+len(v.Value)+len(`{"name":"","value":""}`))
	entry = append(append(append(entry, `{"name":"`...), v.Name...), `","value":"`...)
	return append(append(entry, v.Value...), `"}`...)
}

// escaped reports whether json.Marshal may write a character otherwise.
func escaped(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) }

// fieldVar is a variable whose value the kubelet takes from the pod.
type fieldVar struct {
	Name      string `json:"name"`
	ValueFrom struct {
		FieldRef fieldRef `json:"fieldRef"`
	} `json:"valueFrom"`
}

// setEndpoint leads the SDKs of all languages to the proxy. The secret that
// they send along is the pod's UID: nobody outside guesses it, every container
// has the same, and the patch stays a function of the pod. A container with a
// managed identity endpoint of its own keeps that whole.
func (m *mutation) setEndpoint() {
	endpoint := EnvVar{chain.EnvIdentityEndpoint, "http://127.0.0.1:" + strconv.FormatInt(m.settings.proxyPort, 10) + chain.ProxyTokenPath}
	header := fieldVar{Name: chain.EnvIdentityHeader}
	header.ValueFrom.FieldRef = fieldRef{APIVersion: "v1", FieldPath: "metadata.uid"}
	m.set([]EnvVar{endpoint}, chain.EnvIdentityHeader)
	m.variables = append(m.variables,
		variable{name: chain.EnvIdentityHeader, rivals: []string{chain.EnvIdentityEndpoint}, entry: encode(header)})
}

func (id identity) environment(cfg Config) []EnvVar {
	variables := make([]EnvVar, 0, 4+len(id.others))
	for _, v := range [...]EnvVar{
		{chain.EnvClientID, id.clientID},
		{chain.EnvTenantID, id.tenantID},
		{chain.EnvFederatedTokenFile, chain.TokenFile},
		{chain.EnvAuthorityHost, cfg.authorityHost()},
	} {
		if v.Value != "" {
			variables = append(variables, v)
		}
	}
	for _, other := range id.others {
		variables = append(variables, EnvVar{other.Variable, other.ClientID})
	}
	return variables
}

// environment covers the runtimes of the SDKs: Go and .NET read HTTPS_PROXY and
// SSL_CERT_FILE, Python REQUESTS_CA_BUNDLE, Node NODE_EXTRA_CA_CERTS, curl the
// lower-case names and CURL_CA_BUNDLE, a JVM only its own options.
func (l *LocalAzure) environment() []EnvVar {
	variables := []EnvVar{
		{"HTTPS_PROXY", l.ProxyURL},
		{"https_proxy", l.ProxyURL},
		{"NO_PROXY", l.noProxy()},
		{"no_proxy", l.noProxy()},
		{"SSL_CERT_FILE", chain.LocalAzureCAFile},
		{"REQUESTS_CA_BUNDLE", chain.LocalAzureCAFile},
		{"NODE_EXTRA_CA_CERTS", chain.LocalAzureCAFile},
		{"CURL_CA_BUNDLE", chain.LocalAzureCAFile},
	}
	if options := l.javaOptions(); options != "" {
		variables = append(variables, EnvVar{"JAVA_TOOL_OPTIONS", options})
	}
	return variables
}

// javaOptions is empty without a trust store: a JVM that uses the proxy but
// does not trust it fails later and less clearly than one that goes direct. The
// SDK takes the proxy for https for plain http too, the metadata service's
// requests among them.
func (l *LocalAzure) javaOptions() string {
	if l.TrustStoreKey == "" {
		return ""
	}
	u, err := url.Parse(l.ProxyURL)
	if err != nil {
		return ""
	}
	options := []string{
		"-Dhttps.proxyHost=" + u.Hostname(),
		"-Dhttps.proxyPort=" + u.Port(),
		"-Dhttp.nonProxyHosts=localhost|127.*|169.254.169.254|*.svc|*.cluster.local",
		"-Djavax.net.ssl.trustStore=" + chain.LocalAzureMountPath + "/" + l.TrustStoreKey,
		"-Djavax.net.ssl.trustStoreType=PKCS12",
	}
	if l.TrustStorePassword != "" {
		options = append(options, "-Djavax.net.ssl.trustStorePassword="+l.TrustStorePassword)
	}
	return strings.Join(options, " ")
}
