package helm_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/strvals"

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
