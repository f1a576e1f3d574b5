package cli

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// variable is one environment variable with what it is for.
type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	For   string `json:"for"`
}

// clientFiles are what the variables point at.
type clientFiles struct {
	proxyURL   string
	caFile     string
	trustStore string // PKCS #12, for Java
	password   string // of the trust store; protects nothing
}

// clientEnvironment is every variable that sends an unmodified client to the
// local Azure, runtime by runtime, and makes tools quick and quiet.
func clientEnvironment(f clientFiles, noProxy string) []variable {
	return append([]variable{
		{"HTTPS_PROXY", f.proxyURL, "Go, Node SDKs, Python, .NET, az"},
		{"https_proxy", f.proxyURL, "curl and older tools"},
		{"HTTP_PROXY", f.proxyURL, "the instance metadata service, which is plain http"},
		{"http_proxy", f.proxyURL, "curl, which reads only the lower-case name"},
		{"NO_PROXY", noProxy, "loopback is reached directly"},
		{"no_proxy", noProxy, "curl and older tools"},
		{"SSL_CERT_FILE", f.caFile, "Go and .NET on Linux, OpenSSL"},
		{"REQUESTS_CA_BUNDLE", f.caFile, "Python and az"},
		{"CURL_CA_BUNDLE", f.caFile, "curl"},
		{"NODE_EXTRA_CA_CERTS", f.caFile, "Node"},
		{"NODE_USE_ENV_PROXY", "1", "fetch in Node 24 and later"},
		{"JAVA_TOOL_OPTIONS", javaOptions(f), "Java, which reads no other variable"},
	}, quietTools()...)
}

func quietTools() []variable {
	return []variable{
		{"CHECKPOINT_DISABLE", "1", "Terraform: no version check"},
		{"GO_AZURE_SDK_SKIP_POLLING_DELAY", "true", "Terraform's azurerm: no pauses between polls"},
		{"AZURE_CORE_COLLECT_TELEMETRY", "no", "az: no telemetry"},
		{"AZURE_CORE_LOGIN_EXPERIENCE_V2", "off", "az: no question after login"},
		{"AZURE_DEV_COLLECT_TELEMETRY", "no", "azd: no telemetry"},
		{"DOTNET_CLI_TELEMETRY_OPTOUT", "1", ".NET: no telemetry"},
	}
}

func javaOptions(f clientFiles) string {
	u, err := url.Parse(f.proxyURL)
	if err != nil {
		return ""
	}
	host, port := u.Hostname(), u.Port()
	options := []string{
		"-Dhttps.proxyHost=" + host, "-Dhttps.proxyPort=" + port, "-Dhttp.proxyHost=" + host, "-Dhttp.proxyPort=" + port,
		"-Dhttp.nonProxyHosts=localhost|127.*|[::1]", "-Djava.net.useSystemProxies=true",
		"-Djavax.net.ssl.trustStore=" + f.trustStore, "-Djavax.net.ssl.trustStoreType=PKCS12", "-Djavax.net.ssl.trustStorePassword=" + f.password,
	}
	return strings.Join(options, " ")
}

// servedHosts are the names whose requests must not slip past the proxy; a dot
// at the beginning stands for every name that ends so.
var servedHosts = []string{
	"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net", "management.azure.com", "graph.microsoft.com", ".vault.azure.net", ".azconfig.io",
	".core.windows.net", ".oic.prod-aks.azure.com", ".azmk8s.io", metadataAddress,
}

// metadataAddress is the instance metadata service's.
const metadataAddress = "169.254.169.254"

// cleanNoProxy keeps the entries of a NO_PROXY that do no harm and returns a
// warning for each one that would send a client to the real Azure.
func cleanNoProxy(have string) (kept string, warnings []string) {
	entries := []string{"localhost", "127.0.0.1", "::1"}
	separator := func(c rune) bool { return c == ',' || c == ' ' || c == '\t' } // curl and Node take blanks too
	for _, entry := range strings.FieldsFunc(have, separator) {
		if slices.Contains(entries, entry) {
			continue
		}
		if host := caughtBy(entry); host != "" {
			warnings = append(warnings, fmt.Sprintf("NO_PROXY has %q, which would send requests for %s past the local Azure; it is left out", entry, host))
			continue
		}
		entries = append(entries, entry)
	}
	return strings.Join(entries, ","), warnings
}

// caughtBy returns a served host that the entry of a NO_PROXY matches, "" if
// none. Clients disagree on what an entry means; any reading counts.
func caughtBy(entry string) string {
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		if prefix.Contains(netip.MustParseAddr(metadataAddress)) {
			return metadataAddress
		}
		return ""
	}
	name := strings.ToLower(entry)
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	name = strings.Trim(strings.TrimPrefix(name, "*"), ".")
	for _, served := range servedHosts {
		switch {
		case name == "", "."+name == served, strings.HasSuffix(served, "."+name): // the host, or a domain above it
			return strings.TrimPrefix(served, ".")
		case name == served, served[0] == '.' && strings.HasSuffix(name, served): // the very host
			return name
		}
	}
	return ""
}

// strayCredentials warns of variables that make DefaultAzureCredential choose
// something else than the workload's identity.
func strayCredentials(environ []string) []string {
	var warnings []string
	for _, name := range []string{"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME"} {
		if lookup(environ, name) != "" {
			warnings = append(warnings, name+" is set: DefaultAzureCredential tries it before workload identity; unset it to use the service account's identity")
		}
	}
	if lookup(environ, "AZURE_REGIONAL_AUTHORITY_NAME") != "" {
		warnings = append(warnings, "AZURE_REGIONAL_AUTHORITY_NAME is set: clients then ask a regional token service that is not served; unset it")
	}
	return warnings
}

// lookup returns the last value of a variable in an environment, "" if it has none.
func lookup(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// withVariables returns the environment with the variables set.
func withVariables(environ []string, variables []variable) []string {
	set := map[string]bool{}
	for _, v := range variables {
		set[v.Name] = true
	}
	result := make([]string, 0, len(environ)+len(variables))
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !set[name] {
			result = append(result, entry)
		}
	}
	for _, v := range variables {
		result = append(result, v.Name+"="+v.Value)
	}
	return result
}
