package widemo_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestFilesAreTheScenario keeps manifests and Terraform files byte for byte as
// they were given: what is proved with them is to be said of the scenario, and
// not of what makes its tests pass. testdata/sums is what sha256sum printed for
// the originals.
func TestFilesAreTheScenario(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "sums"))
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for _, dir := range []string{"k8s", "terraform"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprintf("%x  %s/%s\n", sha256.Sum256(content), dir, entry.Name())
		}
	}
	if got != string(want) {
		t.Errorf("the scenario's files: got\n%s\nwant\n%s", got, want)
	}
}
