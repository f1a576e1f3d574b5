package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aksess/aksess/test/e2e"
)

// testSample shows that the scenario's application, made of Azure's SDKs alone,
// reads setting, secret, blob and message on this machine as it would in its
// pod: with the service account's token and the settings of its ConfigMap.
func (x execution) testSample(t *testing.T, cluster *e2e.Cluster, a *e2e.Azure, d *e2e.Scenario) {
	d.DeployData(t)
	config, err := cluster.Client.CoreV1().ConfigMaps(e2e.Namespace).Get(t.Context(), "widemo-configmap", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const name = "config_dev-euw-001.json"
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(config.Data[name]), 0o600); err != nil {
		t.Fatal(err)
	}
	program := []string{filepath.Join(x.bin, "wi-api"), "-once"}
	p, temporary := x.run(t, "sa/"+e2e.ServiceAccount, program, "CH_WIDEMO_CONFIG="+file)
	if got := p.ExitCode(t, execLimit); got != 0 {
		t.Errorf("exit code: got %d, want 0\n%s", got, p.Tail())
	}
	const want = `{"settings": ` + e2e.Settings + `, "blobs": ` + e2e.Blobs + `, "messages": ` + e2e.Messages + `}`
	var gotData, wantData any
	if err := json.Unmarshal([]byte(want), &wantData); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(p.Output()), &gotData); err != nil || !reflect.DeepEqual(gotData, wantData) {
		t.Errorf("application: got %s, %v, want %s", p.Output(), err, want)
	}
	checkEmpty(t, temporary)
}
