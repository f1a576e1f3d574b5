package helm

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
)

// Chart is a chart that has been loaded.
type Chart struct {
	chart *chart.Chart
}

// Release says what to render the chart for.
type Release struct {
	Name      string // "aksess" when empty
	Namespace string // "aksess-system" when empty
	Values    map[string]any
}

// Rendered is what a release consists of.
type Rendered struct {
	Manifest []byte // objects, as a YAML stream in the order Helm installs them
	Notes    string // what Helm prints after it has installed them
}

// Load reads a chart from its folder.
func Load(dir string) (*Chart, error) {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("loading the chart %s: %w", dir, err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("loading the chart %s: %w", dir, err)
	}
	return &Chart{chart: c}, nil
}

// Dir is the folder of the chart in a checkout.
func Dir(root string) string { return filepath.Join(root, "deploy", "helm", "aksess") }

// Render renders the chart. The error names the value that the schema or a
// template refuses.
func (c *Chart) Render(release Release) (Rendered, error) {
	options := common.ReleaseOptions{Name: release.Name, Namespace: release.Namespace, Revision: 1, IsInstall: true}
	if options.Name == "" {
		options.Name = "aksess"
	}
	if options.Namespace == "" {
		options.Namespace = "aksess-system"
	}
	values, err := util.ToRenderValues(c.chart, release.Values, options, common.DefaultCapabilities)
	if err != nil {
		return Rendered{}, err
	}
	files, err := engine.Render(c.chart, values)
	if err != nil {
		return Rendered{}, err
	}
	return sorted(files)
}

// sorted puts the objects of all templates into the order of their kinds.
func sorted(files map[string]string) (Rendered, error) {
	var out Rendered
	objects := map[string]string{}
	for name, text := range files {
		switch {
		case path.Base(name) == "NOTES.txt":
			out.Notes = text
		case !strings.HasPrefix(path.Base(name), "_"):
			objects[name] = text
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(objects, common.DefaultCapabilities.APIVersions, releaseutil.InstallOrder)
	if err != nil {
		return Rendered{}, fmt.Errorf("sorting the objects: %w", err)
	}
	if len(hooks) > 0 {
		return Rendered{}, fmt.Errorf("%s is a hook, which plain manifests cannot have", hooks[0].Path)
	}
	for _, manifest := range manifests {
		out.Manifest = append(out.Manifest, "---\n"+strings.TrimSpace(manifest.Content)+"\n"...)
	}
	return out, nil
}
