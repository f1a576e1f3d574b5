package webhook

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/inject"
)

func TestParseProxy(t *testing.T) {
	got, err := parse([]string{
		"--proxy-init-privileged", "--proxy-pull-policy=Always", "--proxy-mode=endpoint", "--proxy-pass=/metadata/instance",
		`--proxy-resources={"limits":{"cpu":1,"memory":"32Mi"},"requests":{"cpu":0.5}}`, "--proxy-init-resources={}",
	}, environment("AZURE_TENANT_ID="+tenant, "PROXY_IMAGE=p:1"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := inject.Proxy{
		Image: "p:1", Mode: inject.ModeEndpoint, Pass: "/metadata/instance", PrivilegedInit: true, PullPolicy: "Always",
		Resources:     &inject.Resources{Limits: map[string]string{"cpu": "1", "memory": "32Mi"}, Requests: map[string]string{"cpu": "500m"}},
		InitResources: &inject.Resources{Limits: map[string]string{}, Requests: map[string]string{}},
	}
	if !reflect.DeepEqual(got.inject.Proxy, want) {
		t.Errorf("got %+v, want %+v", got.inject.Proxy, want)
	}
}

func TestParseProxyErrors(t *testing.T) {
	tests := []struct{ name, arg, want string }{
		{"obsolete", "--proxy-init-unprivileged", "not defined"},
		{"pass", "--proxy-pass=metadata", "--proxy-pass"},
		{"mode", "--proxy-mode=none", `mode "none"`},
		{"pull_policy", "--proxy-pull-policy=Sometimes", "Sometimes"},
		{"no_json", "--proxy-resources=10m", "--proxy-resources"},
		{"two_values", "--proxy-resources={}{}", "after the JSON object"},
		{"unknown_field", `--proxy-resources={"claims":[]}`, "claims"},
		{"unknown_resource", `--proxy-resources={"limits":{"mem":"1Mi"}}`, "limits.mem"},
		{"no_quantity", `--proxy-resources={"limits":{"memory":"much"}}`, "quantities"},
		{"negative", `--proxy-init-resources={"requests":{"cpu":"-1"}}`, "negative"},
		{"more_than_limit", `--proxy-init-resources={"requests":{"memory":"1Gi"},"limits":{"memory":"64Mi"}}`, "more than limits.memory 64Mi"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse([]string{test.arg}, environment("AZURE_TENANT_ID="+tenant, "PROXY_IMAGE=p"), io.Discard)
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "-proxy", "--proxy"), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

const certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

func TestParseTokenEndpoint(t *testing.T) {
	const url = "AZURE_KUBERNETES_TOKEN_PROXY=https://kubernetes.default.svc:443/x"
	tests := []struct {
		name string
		args []string
		env  []string
		want *inject.TokenEndpoint
	}{
		{"off", nil, nil, nil},
		{"aks", nil, []string{url, "AZURE_KUBERNETES_SNI_NAME=sni", "AZURE_KUBERNETES_CA_CONFIGMAP_NAME=kube-root-ca.crt"},
			&inject.TokenEndpoint{SNIName: "sni", CAConfigMap: "kube-root-ca.crt"}},
		{"named", []string{"--custom-token-endpoint-annotation-suffix=team", "--custom-token-endpoint-audience=api://team"},
			[]string{url, "AZURE_KUBERNETES_CA_DATA=" + certificate},
			&inject.TokenEndpoint{Suffix: "team", Audience: "api://team", CAData: certificate}},
		{"signer", nil, []string{url, "AZURE_KUBERNETES_CA_CTB_SIGNER_NAME=s.test/x",
			`AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR={"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c","operator":"In","values":["d"]}]}`},
			&inject.TokenEndpoint{CASigner: "s.test/x", CALabels: &inject.LabelSelector{
				MatchLabels:      map[string]string{"a": "b"},
				MatchExpressions: []inject.LabelRequirement{{Key: "c", Operator: "In", Values: []string{"d"}}},
			}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parse(test.args, environment(append(test.env, "AZURE_TENANT_ID="+tenant)...), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if test.want != nil {
				test.want.ProxyURL = "https://kubernetes.default.svc:443/x"
			}
			if !reflect.DeepEqual(got.inject.TokenEndpoint, test.want) {
				t.Errorf("got %+v, want %+v", got.inject.TokenEndpoint, test.want)
			}
		})
	}
}

func TestParseTokenEndpointErrors(t *testing.T) {
	const (
		url      = "AZURE_KUBERNETES_TOKEN_PROXY=https://a"
		data     = "AZURE_KUBERNETES_CA_DATA=" + certificate
		mapped   = "AZURE_KUBERNETES_CA_CONFIGMAP_NAME=m"
		signer   = "AZURE_KUBERNETES_CA_CTB_SIGNER_NAME=s"
		selector = "AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR="
		onlyOne  = "only one of AZURE_KUBERNETES_CA_DATA"
		missing  = "AZURE_KUBERNETES_TOKEN_PROXY is missing"
	)
	tests := []struct {
		name string
		args []string
		env  []string
		want string
	}{
		{"data_and_map", nil, []string{url, data, mapped}, onlyOne},
		{"data_and_signer", nil, []string{url, data, signer}, onlyOne},
		{"map_and_signer", nil, []string{url, mapped, signer}, onlyOne},
		{"selector_without_signer", nil, []string{url, selector + "{}"}, "needs AZURE_KUBERNETES_CA_CTB_SIGNER_NAME"},
		{"selector_no_json", nil, []string{url, signer, selector + "a=b"}, "AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR"},
		{"selector_no_values", nil, []string{url, signer, selector + `{"matchExpressions":[{"key":"a","operator":"In"}]}`}, "AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR"},
		{"selector_unknown", nil, []string{url, signer, selector + `{"labels":{}}`}, "labels"},
		{"suffix_alone", []string{"--custom-token-endpoint-annotation-suffix=x"}, nil, missing},
		{"audience_alone", []string{"--custom-token-endpoint-audience=x"}, nil, missing},
		{"authority_alone", nil, []string{mapped}, missing},
		{"audience_default", []string{"--custom-token-endpoint-audience=api://AzureADTokenExchange"}, []string{url}, "cannot be equal to default audience"},
		{"audience_configured", []string{"--custom-token-endpoint-audience=x", "--audience=x"}, []string{url}, "cannot be equal to default audience"},
		{"suffix_slash", []string{"--custom-token-endpoint-annotation-suffix=a/b"}, []string{url}, "suffix"},
		{"suffix_long", []string{"--custom-token-endpoint-annotation-suffix=" + strings.Repeat("a", 60)}, []string{url}, "suffix"},
		{"http", nil, []string{"AZURE_KUBERNETES_TOKEN_PROXY=http://a"}, "https://HOST"},
		{"user", nil, []string{"AZURE_KUBERNETES_TOKEN_PROXY=https://u@a"}, "https://HOST"},
		{"query", nil, []string{"AZURE_KUBERNETES_TOKEN_PROXY=https://a?b"}, "https://HOST"},
		{"not_pem", nil, []string{url, "AZURE_KUBERNETES_CA_DATA=x"}, "not a PEM certificate"},
		{"key", nil, []string{url, data + "-----BEGIN PRIVATE KEY-----"}, "private key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse(test.args, environment(append(test.env, "AZURE_TENANT_ID="+tenant)...), io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

// TestAnnotationsPageNamesFlags: the flags in docs/annotations.md exist.
func TestAnnotationsPageNamesFlags(t *testing.T) {
	page, err := os.ReadFile("../../../docs/annotations.md")
	if err != nil {
		t.Fatal(err)
	}
	var usage bytes.Buffer
	if _, err := parse([]string{"--help"}, environment(), &usage); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(string(page), -1)
	if len(named) < 10 {
		t.Errorf("got %d flags in the page, want more", len(named))
	}
	for _, match := range named {
		if name := match[1]; name != "help" && name != "client-id" && !strings.Contains(usage.String(), "\n  -"+name) {
			t.Errorf("docs/annotations.md has --%s, which the webhook does not", name)
		}
	}
}
