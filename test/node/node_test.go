package node_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aksess/aksess/test/e2e"
	"github.com/aksess/aksess/test/node"
)

const (
	azurePort   = "4430"
	manifestDir = "../../examples/widemo/k8s"
)

func TestMain(m *testing.M) { os.Exit(node.Sandboxed(m.Run)) }

// A world is everything that the tests share: starting it costs more than they do.
type world struct {
	node     *node.Node
	azure    *e2e.Azure
	scenario *e2e.Scenario
	issuer   string
	metadata *metadata // the node's, not the pods'
}

// TestNode runs everything that needs a node on one: first Jobs with a proxy that
// is no sidecar, one of which takes a minute, then what pods do beside each
// other, then what happens when something is restarted under them.
func TestNode(t *testing.T) {
	w := start(t)
	w.installWebhook(t, map[string]any{"sidecar": "classic"})
	w.node.ApplyScenario(t, manifestDir, w.scenario.Values())
	if !t.Run("classic", w.testClassic) {
		return
	}
	w.applyWebhook(t, nil)
	well := t.Run("pods", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T){
			"scenario":       w.testScenario,
			"proxy":          w.testProxy,
			"proxy_job":      w.testJob,
			"proxy_starts":   w.testStarts,
			"proxy_port":     w.testPort,
			"proxy_off":      w.testOff,
			"proxy_user":     w.testUser,
			"proxy_twice":    w.testInitAgain,
			"proxy_endpoint": w.testEndpoint,
			"host_network":   w.testHostNetwork,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	})
	if !well {
		return // what follows would wait for pods that are not there
	}
	t.Run("classic_again", w.testClassicAgain)
	t.Run("new_signing_key", w.testNewSigningKey)
	t.Run("container_restarted", w.testContainerRestarted)
	t.Run("webhook_log", w.testWebhookLog) // of those who have reviewed the pods
	t.Run("webhook_killed", w.testWebhookKilled)
	t.Run("webhook_gone", w.testWebhookGone)
	t.Run("webhook_log_after", w.testWebhookLog)
}

func start(t *testing.T) *world {
	t.Helper()
	bin := node.ProgramDir(t, "AKSESS_BIN", "aksess")
	tools := node.ProgramDir(t, "AKSESS_NODE_BIN", "probe", "render", "images")
	w := &world{node: node.Start(t), metadata: startMetadata(t)}
	for _, image := range []struct{ name, repository, tag string }{
		{"aksess-webhook", "aksess/aksess-webhook", release},
		{"aksess-proxy", "aksess/aksess-proxy", release},
		{"wi-api", "library/wi-api", "dev"},
	} {
		node.PushLayout(t, filepath.Join(tools, "images", image.name), image.repository, image.tag)
	}
	node.PushProgram(t, filepath.Join(tools, "probe"), "probe", "1")
	w.azure = e2e.StartAzure(t, bin, "--listen", node.Address().String()+":"+azurePort, "--allow-remote", "--kubeconfig", w.node.Kubeconfig)
	w.issuer = w.azure.AttachCluster(t)
	w.scenario = w.azure.Deploy(t, w.issuer)
	w.scenario.DeployData(t)
	return w
}
