package webhook

import (
	"bytes"
	"crypto/tls"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/inject"
)

const tenant = "22222222-2222-2222-2222-222222222222"

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for _, pair := range pairs {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value
			}
		}
		return ""
	}
}

func TestParseDefaults(t *testing.T) {
	got, err := parse(nil, environment("AZURE_TENANT_ID="+tenant), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got.listen != ":9443" || got.health != ":9440" || got.tlsMinVersion != tls.VersionTLS13 || got.certs.source != certMemory || got.metrics != ":8095" || got.pprof != "" || !got.events || got.logLevel != slog.LevelInfo {
		t.Errorf("got %+v", got)
	}
	want := []string{"aksess-webhook.azure-workload-identity-system.svc", "aksess-webhook.azure-workload-identity-system.svc.cluster.local", "localhost", "127.0.0.1", "::1"}
	if !slices.Equal(got.certs.names, want) {
		t.Errorf("got names %v, want %v", got.certs.names, want)
	}
	resources := inject.DefaultProxyResources()
	config := inject.Config{
		TenantID: tenant, AuthorityHost: "https://login.microsoftonline.com/",
		Proxy: inject.Proxy{Mode: inject.ModeRedirect, PullPolicy: "IfNotPresent", Resources: &resources, InitResources: &resources},
	}
	if !reflect.DeepEqual(got.inject, config) {
		t.Errorf("got %+v, want %+v", got.inject, config)
	}
}

func TestParseEverything(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.crt")
	certificate := "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
	if err := os.WriteFile(ca, []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := parse([]string{
		"--tenant-id", "contoso.onmicrosoft.com", "--audience=api://x", "--old-token-path=false", "--proxy-sidecar=classic", "--proxy-port=9000",
		"--dns-name=a.test", "--dns-name=b.test", "--service-name=svc", "--log-level=trace", "--tls-min-version=1.2", "--webhook-configuration=mine",
		"--local-azure-proxy=http://aksess:8080", "--local-azure-ca", ca,
	}, environment("AZURE_TENANT_ID="+tenant, "AZURE_ENVIRONMENT=AzureChinaCloud", "POD_NAMESPACE=ns", "PROXY_IMAGE=p:1", "PROXY_INIT_IMAGE=i:1", "KUBECONFIG=/k"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	c := got.inject
	if c.TenantID != "contoso.onmicrosoft.com" || c.AuthorityHost != "https://login.chinacloudapi.cn/" || c.Audience != "api://x" || !c.NoOldTokenPath {
		t.Errorf("got %+v", c)
	}
	resources := inject.DefaultProxyResources()
	want := inject.Proxy{
		Image: "p:1", InitImage: "i:1", Port: 9000, LogLevel: "trace", Classic: true,
		Mode: inject.ModeRedirect, PullPolicy: "IfNotPresent", Resources: &resources, InitResources: &resources,
	}
	if !reflect.DeepEqual(c.Proxy, want) {
		t.Errorf("got %+v, want %+v", c.Proxy, want)
	}
	if c.LocalAzure == nil || c.LocalAzure.ProxyURL != "http://aksess:8080" || string(c.LocalAzure.CA) != certificate {
		t.Errorf("got %+v", c.LocalAzure)
	}
	if got.kubeconfig != "/k" || got.configuration != "mine" || got.tlsMinVersion != tls.VersionTLS12 || got.logLevel != slog.LevelDebug {
		t.Errorf("got %+v", got)
	}
	if got.certs.names[0] != "svc.ns.svc" || !slices.Contains(got.certs.names, "b.test") {
		t.Errorf("got %v", got.certs.names)
	}
}

func TestParseLocalAzure(t *testing.T) {
	got, err := parse([]string{
		"--local-azure-proxy=http://aksess:8080", "--local-azure-no-proxy=.svc", "--local-azure-ca-config-map=m",
		"--local-azure-trust-store-key=trust.p12", "--local-azure-trust-store-password=changeit",
	}, environment("AZURE_TENANT_ID="+tenant), io.Discard)
	want := inject.LocalAzure{ProxyURL: "http://aksess:8080", NoProxy: ".svc", CAConfigMap: "m", TrustStoreKey: "trust.p12", TrustStorePassword: "changeit"}
	if err != nil || got.inject.LocalAzure == nil || !reflect.DeepEqual(*got.inject.LocalAzure, want) {
		t.Errorf("got %+v, %v, want %+v", got.inject.LocalAzure, err, want)
	}
}

func TestParseErrors(t *testing.T) {
	env := []string{"AZURE_TENANT_ID=" + tenant}
	tests := []struct {
		name string
		args []string
		env  []string
		want string
	}{
		{"no_tenant", nil, nil, "AZURE_TENANT_ID is required"},
		{"bad_tenant", []string{"--tenant-id=x y"}, nil, `tenant id "x y"`},
		{"argument", []string{"serve"}, env, `unexpected argument "serve"`},
		{"flag", []string{"--nope"}, env, "not defined"},
		{"tls", []string{"--tls-min-version=1.1"}, env, "invalid TLS version"},
		{"log_level", []string{"--log-level=loud"}, env, "--log-level"},
		{"log_format", []string{"--log-format=xml"}, env, "--log-format"},
		{"sidecar", []string{"--proxy-sidecar=maybe"}, env, "--proxy-sidecar"},
		{"cert_source", []string{"--cert-source=vault"}, env, "--cert-source"},
		{"secret_and_folder", []string{"--cert-source=secret", "--webhook-cert-dir=/x"}, env, "--webhook-cert-dir"},
		{"files_without_folder", []string{"--cert-source=files"}, env, "--webhook-cert-dir"},
		{"secret_given", []string{"--cert-source=secret", "--disable-cert-rotation"}, env, "--disable-cert-rotation"},
		{"one_secret", []string{"--ca-secret=a", "--cert-secret=a"}, env, "not for every replica"},
		{"overlap", []string{"--ca-life=1h", "--cert-life=1h", "--ca-overlap=1h"}, env, "overlap"},
		{"lease", []string{"--lease-duration=1ms"}, env, "--lease-duration"},
		{"metrics_backend", []string{"--metrics-backend=statsd"}, env, "--metrics-backend"},
		{"rotation", []string{"--disable-cert-rotation"}, env, "--webhook-cert-dir"},
		{"authority", []string{"--authority-host=http://login"}, env, "not an https URL"},
		{"cloud", nil, append(env, "AZURE_ENVIRONMENT=AzureMoonCloud"), "AzureMoonCloud"},
		{"one_image", nil, append(env, "PROXY_INIT_IMAGE=p"), "none for the proxy"},
		{"proxy_port", []string{"--proxy-port=70000"}, env, "70000"},
		{"local_azure_ca_only", []string{"--local-azure-ca-config-map=m"}, env, "--local-azure-proxy is missing"},
		{"local_azure_no_proxy_only", []string{"--local-azure-no-proxy=a"}, env, "--local-azure-proxy is missing"},
		{"local_azure_trust_store_only", []string{"--local-azure-trust-store-key=k"}, env, "--local-azure-proxy is missing"},
		{"local_azure_password_only", []string{"--local-azure-trust-store-password=p"}, env, "--local-azure-proxy is missing"},
		{"local_azure_no_ca", []string{"--local-azure-proxy=http://a:1"}, env, "certificate authority"},
		{"local_azure_two_cas", []string{"--local-azure-proxy=http://a:1", "--local-azure-ca-config-map=m", "--local-azure-ca=options_test.go"}, env, "one source"},
		{"local_azure_not_pem", []string{"--local-azure-proxy=http://a:1", "--local-azure-ca=options_test.go"}, env, "not a PEM certificate"},
		{"local_azure_no_file", []string{"--local-azure-proxy=http://a:1", "--local-azure-ca=absent"}, env, "absent"},
		{"local_azure_https", []string{"--local-azure-proxy=https://a:1", "--local-azure-ca-config-map=m"}, env, "http://HOST:PORT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse(test.args, environment(test.env...), io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestParseHelp(t *testing.T) {
	var usage bytes.Buffer
	if _, err := parse([]string{"--help"}, environment(), &usage); !errors.Is(err, flag.ErrHelp) || !strings.Contains(usage.String(), "-webhook-configuration") {
		t.Errorf("got %v, %s", err, usage.String())
	}
}

func TestAuthorityHost(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	tests := []struct{ name, cloud, file, want, fails string }{
		{name: "default", want: "https://login.microsoftonline.com/"},
		{name: "public", cloud: "AzurePublicCloud", want: "https://login.microsoftonline.com/"},
		{name: "government", cloud: "AZUREUSGOVERNMENTCLOUD", want: "https://login.microsoftonline.us/"},
		{name: "china", cloud: "AzureChinaCloud", want: "https://login.chinacloudapi.cn/"},
		{name: "german", cloud: "AzureGermanCloud", want: "https://login.microsoftonline.de/"},
		{name: "stack", cloud: "AzureStackCloud", file: write("ok", `{"activeDirectoryEndpoint":"https://login.stack.test/"}`), want: "https://login.stack.test/"},
		{name: "stack_no_file", cloud: "AzureStackCloud", fails: "AZURE_ENVIRONMENT_FILEPATH"},
		{name: "stack_absent", cloud: "AzureStackCloud", file: "absent", fails: "absent"},
		{name: "stack_no_json", cloud: "AzureStackCloud", file: write("bad", `x`), fails: "bad"},
		{name: "stack_empty", cloud: "AzureStackCloud", file: write("empty", `{}`), fails: "activeDirectoryEndpoint"},
		{name: "unknown", cloud: "x", fails: `"x"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := authorityHost(test.cloud, test.file)
			if got != test.want || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Errorf("got %q, %v, want %q, %q", got, err, test.want, test.fails)
			}
		})
	}
}

func TestParseCertificates(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want certSource
	}{
		{"memory", nil, certMemory},
		{"folder", []string{"--webhook-cert-dir=/x"}, certFiles},
		{"files", []string{"--cert-source=files", "--webhook-cert-dir=/x"}, certFiles},
		{"given", []string{"--webhook-cert-dir=/x", "--disable-cert-rotation"}, certGiven},
		{"secret", []string{"--cert-source=secret"}, certSecret},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parse(append(test.args, "--metrics-addr=0"), environment("AZURE_TENANT_ID="+tenant, "POD_NAMESPACE=ns", "POD_NAME=p-0"), io.Discard)
			if err != nil || got.certs.source != test.want || got.certs.namespace != "ns" || got.certs.replica != "p-0" || got.metrics != "" {
				t.Errorf("got %+v, %v, want %s", got.certs, err, test.want)
			}
		})
	}
}
