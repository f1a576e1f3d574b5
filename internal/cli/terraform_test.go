package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func deployerRunning(t *testing.T) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{ProxyURL: "http://127.0.0.1:4430", CAFile: filepath.Join(dir, "ca.crt"), TenantID: "t-1", SubscriptionID: "s-1"}
	if err := os.WriteFile(r.deployerFile(), []byte(`{"clientId":"c-1","clientSecret":"canary-secret"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTerraformVariables(t *testing.T) {
	r := deployerRunning(t)
	tests := map[string]struct {
		environ []string
		want    string
	}{
		"nothing_set":     {nil, "ARM_TENANT_ID=t-1 ARM_SUBSCRIPTION_ID=s-1 ARM_CLIENT_ID=c-1 ARM_CLIENT_SECRET=canary-secret"},
		"unrelated":       {[]string{"ARM_SKIP_PROVIDER_REGISTRATION=1"}, "ARM_TENANT_ID=t-1 ARM_SUBSCRIPTION_ID=s-1 ARM_CLIENT_ID=c-1 ARM_CLIENT_SECRET=canary-secret"},
		"empty_is_unset":  {[]string{"ARM_CLIENT_ID="}, "ARM_TENANT_ID=t-1 ARM_SUBSCRIPTION_ID=s-1 ARM_CLIENT_ID=c-1 ARM_CLIENT_SECRET=canary-secret"},
		"own_client":      {[]string{"ARM_CLIENT_ID=mine"}, ""},
		"own_login":       {[]string{"ARM_USE_CLI=true"}, ""},
		"own_workload_id": {[]string{"ARM_USE_AKS_WORKLOAD_IDENTITY=true"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			variables, err := r.terraformVariables(test.environ)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range variables {
				got = append(got, v.Name+"="+v.Value)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("with %v: got %v, want %s", test.environ, got, test.want)
			}
		})
	}
	if err := os.Remove(r.deployerFile()); err != nil {
		t.Fatal(err)
	}
	if variables, err := r.terraformVariables(nil); err != nil || variables != nil {
		t.Errorf("without the deployer's file: got %v, %v, want none", variables, err)
	}
}

// TestPrintProvider keeps the secret out of what is printed.
func TestPrintProvider(t *testing.T) {
	r := deployerRunning(t)
	var out bytes.Buffer
	c := &common{env: Env{Stdout: &out}}
	if err := c.printProvider(r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`metadata_host   = "management.aksess.localhost:4430"`, `client_id       = "c-1"`, `client_secret   = jsondecode(file("` + r.deployerFile() + `")).clientSecret`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s, want it to hold %s", out.String(), want)
		}
	}
	if strings.Contains(out.String(), "canary-secret") {
		t.Errorf("the secret was printed: %s", out.String())
	}
}

func TestHCLQuote(t *testing.T) {
	for in, want := range map[string]string{
		`C:\state`: `"C:\\state"`, `a"b`: `"a\"b"`, "${x}": `"$${x}"`, "%{x}": `"%%{x}"`, "a\nb": `"a\nb"`,
	} {
		if got := hclQuote(in); got != want {
			t.Errorf("hclQuote(%q): got %s, want %s", in, got, want)
		}
	}
}
