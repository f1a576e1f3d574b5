package terraform_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/examples/widemo"
	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/test/e2e"
)

const (
	namespace = "widemo"
	account   = "sa/wi-demo-sa"
	// clusterLimit is how long an API server may take to be ready; it takes 5 s.
	clusterLimit = 2 * time.Minute
	// welcome is a blob that the workload's own identity writes and reads.
	welcome = "welcome to widemo"
)

// controlPlane are the options of a local Azure whose clusters are real API servers.
func controlPlane(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("KUBE_BIN_DIR")
	if dir == "" {
		t.Fatal("KUBE_BIN_DIR names no folder with kube-apiserver; make e2e-terraform sets it")
	}
	return []string{"--cluster-driver", "control-plane", "--kube-bin-dir", dir}
}

// workload is the application outside its pod: a program that `aksess exec`
// runs as the service account of the cluster that Terraform made.
type workload struct {
	azure      *azure
	kubeconfig string
	config     string
}

// newWorkload applies the scenario's manifests to the cluster of the output
// kube_config, with the values that the other outputs give.
func newWorkload(t *testing.T, w *workspace) workload {
	t.Helper()
	outputs := w.outputs()
	dir := t.TempDir()
	x := workload{azure: w.azure, kubeconfig: filepath.Join(dir, "kubeconfig"), config: filepath.Join(dir, "config.json")}
	if err := os.WriteFile(x.kubeconfig, []byte(outputs["kube_config"]), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster := e2e.Connect(t, x.kubeconfig)
	// A local Azure that was just started answers before its clusters do.
	e2e.Eventually(t, clusterLimit, "cluster ready", func() error {
		_, err := cluster.Client.Discovery().ServerVersion()
		if err == nil {
			_, err = cluster.Client.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
		}
		return err
	})
	host := regexp.MustCompile(`^https://([^.]+)`)
	values := map[string]string{
		"USER_ASSIGNED_CLIENT_ID": outputs["aks_uai_client_id"],
		"AZURE_TENANT_ID":         outputs["tenant_id"],
		"APP_CONFIG_ENDPOINT":     outputs["app_config_endpoint"],
		"KEY_VAULT_NAME":          host.FindStringSubmatch(outputs["key_vault_uri"])[1],
		"STORAGE_ACCOUNT_NAME":    host.FindStringSubmatch(outputs["blob_endpoint"])[1],
	}
	var config string
	for _, name := range []string{"00-prerequisites.yaml", "10-wi-api.yaml"} {
		manifest, err := widemo.Manifest(name, values)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range cluster.Apply(t, manifest) {
			if object.GetKind() == "ConfigMap" {
				data, _ := object.Object["data"].(map[string]any)
				config, _ = data["config_dev-euw-001.json"].(string)
			}
		}
	}
	if err := os.WriteFile(x.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return x
}

// command is a program that runs as the service account.
func (x workload) command(t *testing.T, program ...string) *exec.Cmd {
	t.Helper()
	args := append([]string{"exec", "--state", x.azure.state, "--kubeconfig", x.kubeconfig, "-n", namespace, account, "--"}, program...)
	cmd := exec.CommandContext(t.Context(), filepath.Join(x.azure.bin, "aksess"), args...)
	cmd.Env = clean(t, "CH_WIDEMO_CONFIG="+x.config)
	return cmd
}

// read runs the application once and returns what it printed of what it read.
func (x workload) read(t *testing.T) (printed string, ok bool) {
	t.Helper()
	cmd := x.command(t, filepath.Join(x.azure.bin, "wi-api"), "-once")
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if len(out) == 0 {
		t.Fatalf("wi-api printed nothing: %v\n%s", err, log.String())
	}
	return string(out), err == nil
}

// token is what the identity gets for a resource: a client of the token service
// that shows the service account's token.
func (x workload) token(t *testing.T, clientID, resource string) string {
	t.Helper()
	assertion, err := x.command(t, "sh", "-c", `cat "$AZURE_FEDERATED_TOKEN_FILE"`).Output()
	if err != nil {
		t.Fatalf("reading the service account's token: %v", err)
	}
	token, err := x.azure.client.Exchange(t.Context(), map[string][]string{
		"client_id": {clientID}, "client_assertion": {string(assertion)},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}, resource)
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}

// testWorkload reads setting, secret, blob and message with what Terraform made
// and nothing else.
func testWorkload(t *testing.T, w *workspace) {
	x := newWorkload(t, w)
	outputs := w.outputs()
	token := x.token(t, outputs["aks_uai_client_id"], deploy.Storage)
	if got := claim(t, token, "appid"); got != outputs["aks_uai_client_id"] {
		t.Errorf("appid: got %q, want the output aks_uai_client_id %q", got, outputs["aks_uai_client_id"])
	}
	if err := x.azure.client.Do(t.Context(), deploy.Call{
		Method: "PUT", URL: outputs["blob_endpoint"] + "widemo/welcome.txt", Token: token, Body: welcome,
		Header: map[string]string{"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"},
	}, nil); err != nil {
		t.Fatal(err)
	}
	printed, ok := x.read(t)
	if !ok {
		t.Fatalf("application: got %s, want all of it read", printed)
	}
	for _, want := range []string{"value from App Configuration", "not-a-secret", welcome, "hello from wi-api"} {
		if !strings.Contains(printed, want) {
			t.Errorf("application: got %s, want it to hold %q", printed, want)
		}
	}
}

// testRefusedWithoutRole takes one role assignment away and gives it back.
func testRefusedWithoutRole(t *testing.T, w *workspace) {
	x := newWorkload(t, w)
	w.destroy(1, sampleData, "-target=azurerm_role_assignment.appconf_datareader_aks")
	printed, ok := x.read(t)
	if ok || !strings.Contains(printed, "403") {
		t.Errorf("application without its role: got %s, want settings refused with 403", printed)
	}
	w.apply(counts{added: 1}, sampleData)
	if printed, ok = x.read(t); !ok {
		t.Errorf("application with its role again: got %s, want all of it read", printed)
	}
}

// claim returns a claim of a token, unverified.
func claim(t *testing.T, token, name string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token: got %d parts, want 3", len(parts))
	}
	var claims map[string]any
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	value, _ := claims[name].(string)
	return value
}
