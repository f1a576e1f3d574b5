// Command render makes what is made from the chart, checks that it has been
// made, and prints what `helm template` would.
//
//	render write                     write deploy/manifests and the chart's table of values
//	render check                     fail if that would change something
//	render template [-n NAMESPACE] [-name RELEASE] [-create-namespace] [-f FILE]... [-set KEY=VALUE]...
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/strvals"
	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/test/helm"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("usage: render write | check | template")
	}
	flags := flag.NewFlagSet("render "+args[0], flag.ContinueOnError)
	root := flags.String("root", filepath.Join("..", ".."), "`folder` of the repository")
	switch args[0] {
	case "write", "check":
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return generate(*root, args[0] == "check")
	case "template":
		return template(flags, root, args[1:], out)
	}
	return fmt.Errorf("there is no command %q", args[0])
}

func generate(root string, check bool) error {
	files, err := helm.Generated(root)
	if err != nil {
		return err
	}
	if !check {
		return helm.Write(files)
	}
	if stale := helm.Check(files); len(stale) > 0 {
		return fmt.Errorf("not made from the chart as it is: %s; run make generate", strings.Join(stale, ", "))
	}
	return nil
}

func template(flags *flag.FlagSet, root *string, args []string, out io.Writer) error {
	var release helm.Release
	flags.StringVar(&release.Namespace, "n", "aksess-system", "`namespace` of the release")
	flags.StringVar(&release.Name, "name", "aksess", "`name` of the release")
	create := flags.Bool("create-namespace", false, "print the namespace as well")
	values := map[string]any{}
	flags.Func("f", "`file` of values; may be repeated", func(file string) error {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var more map[string]any
		if err := yaml.Unmarshal(raw, &more); err != nil {
			return err
		}
		values = util.MergeTables(maps.Clone(more), values)
		return nil
	})
	flags.Func("set", "`key=value`; may be repeated", func(text string) error { return strvals.ParseInto(text, values) })
	if err := flags.Parse(args); err != nil {
		return err
	}
	release.Values = values
	chart, err := helm.Load(helm.Dir(*root))
	if err != nil {
		return err
	}
	rendered, err := chart.Render(release)
	if err != nil {
		return err
	}
	if *create {
		rendered.Manifest = append(helm.Namespace(release.Namespace), rendered.Manifest...)
	}
	_, err = out.Write(rendered.Manifest)
	return err
}
