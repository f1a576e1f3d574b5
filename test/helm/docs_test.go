package helm_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/strvals"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/helm"
)

var (
	setFlag     = regexp.MustCompile("--set ([^ `\n]+)")
	setFileFlag = regexp.MustCompile("--set-file ([^= `\n]+)=")
	variable    = regexp.MustCompile(`\$\w+`)
)

// TestDocumentedCommands renders the chart with the values of every command in
// the documentation: a line of a table is one, and a command in a block with
// its continued lines.
func TestDocumentedCommands(t *testing.T) {
	found := 0
	for _, page := range []string{filepath.Join(root, "docs", "install.md"), filepath.Join(helm.Dir(root), "README.md"), filepath.Join(root, "README.md")} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
			sets := setFlag.FindAllStringSubmatch(line, -1)
			if len(sets) == 0 {
				continue
			}
			found++
			values := with()
			if strings.HasPrefix(line, "|") {
				for _, one := range sets { // alternatives, each by itself
					renderSet(t, with(), one[1])
				}
				continue
			}
			for _, file := range setFileFlag.FindAllStringSubmatch(line, -1) {
				set(values, file[1], authority)
			}
			for _, one := range sets[:len(sets)-1] {
				parseSet(t, values, one[1])
			}
			renderSet(t, values, sets[len(sets)-1][1])
		}
	}
	if found < 10 {
		t.Errorf("got %d commands with values, want the documentation's", found)
	}
}

func parseSet(t *testing.T, values map[string]any, text string) {
	t.Helper()
	if err := strvals.ParseInto(variable.ReplaceAllString(text, "x"), values); err != nil {
		t.Errorf("--set %s: %v", text, err)
	}
}

func renderSet(t *testing.T, values map[string]any, text string) {
	t.Helper()
	parseSet(t, values, text)
	if _, err := load(t).Render(helm.Release{Values: values}); err != nil {
		t.Errorf("--set %s: %v", text, err)
	}
}

// TestDocumentedRights: docs/security.md lists what the chart gives, all of it.
func TestDocumentedRights(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```yaml\n# ClusterRole\n")
	block, _, _ = strings.Cut(block, "```")
	clusterWide, own, found := strings.Cut(block, "# Role in the webhook's namespace")
	if !found {
		t.Fatalf("got no rights in docs/security.md")
	}
	objects := render(t, with())
	for id, text := range map[string]string{"ClusterRole/aksess-webhook": clusterWide, "Role/aksess-webhook": "#" + own} {
		var rules any
		if err := yaml.Unmarshal([]byte(text), &rules); err != nil {
			t.Fatal(err)
		}
		if got, want := asJSON(t, rules), asJSON(t, objects.at(t, id, "rules")); got != want {
			t.Errorf("%s: docs/security.md has %s\nwant %s", id, got, want)
		}
	}
}
