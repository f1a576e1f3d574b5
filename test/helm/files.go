package helm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// File is a file that is made from the chart.
type File struct {
	Path    string
	Content []byte
}

const header = `# Made from deploy/helm/aksess by "make generate"; not edited by hand.
# ${AZURE_TENANT_ID} is for you to fill in:
#   AZURE_TENANT_ID=... envsubst '$AZURE_TENANT_ID' < FILE | kubectl apply -f -
`

// plain are the manifests for those who do not use Helm.
func plain() map[string]map[string]any {
	return map[string]map[string]any{
		"install.yaml":              {},
		"install-cert-manager.yaml": {"certificates": map[string]any{"source": "cert-manager"}},
	}
}

// Namespace is the object that Helm makes with --create-namespace: the plain
// manifests need it. The webhook's pods fit the strictest level of Pod Security.
func Namespace(name string) []byte {
	return fmt.Appendf(nil, `---
apiVersion: v1
kind: Namespace
metadata:
  name: %s
  labels:
    pod-security.kubernetes.io/enforce: restricted
`, name)
}

// Generated returns the files that are made from the chart of a checkout, with
// the content that they should have.
func Generated(root string) ([]File, error) {
	c, err := Load(Dir(root))
	if err != nil {
		return nil, err
	}
	var files []File
	for name, values := range plain() {
		values["azureTenantID"] = "${AZURE_TENANT_ID}"
		rendered, err := c.Render(Release{Values: values})
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", name, err)
		}
		content := append([]byte(header), Namespace("aksess-system")...)
		files = append(files, File{Path: filepath.Join(root, "deploy", "manifests", name), Content: append(content, withoutHelm(rendered.Manifest)...)})
	}
	readme, err := readmeOf(root)
	if err != nil {
		return nil, err
	}
	return append(files, readme), nil
}

// withoutHelm drops what only Helm means something by.
func withoutHelm(manifest []byte) []byte {
	var out []byte
	for line := range bytes.Lines(manifest) {
		trimmed := bytes.TrimSpace(line)
		if !bytes.HasPrefix(trimmed, []byte("helm.sh/chart:")) && !bytes.HasPrefix(trimmed, []byte("app.kubernetes.io/managed-by:")) {
			out = append(out, line...)
		}
	}
	return out
}

// Write writes the files.
func Write(files []File) error {
	for _, file := range files {
		if err := os.MkdirAll(filepath.Dir(file.Path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file.Path, file.Content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Check returns the paths of files whose content is another.
func Check(files []File) []string {
	var stale []string
	for _, file := range files {
		if have, err := os.ReadFile(file.Path); err != nil || !bytes.Equal(have, file.Content) {
			stale = append(stale, file.Path)
		}
	}
	return stale
}
