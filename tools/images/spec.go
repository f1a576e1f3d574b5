package main

import (
	"fmt"
	"slices"
	"strings"
)

// User of the images: none of the node's, by number so that Kubernetes can tell
// that it is not root.
const nonRoot = 65532

// spec says what is in an image. It is always one static binary, /BINARY.
type spec struct {
	name    string // of the image
	module  string // folder of the binary's module, from the repository's root
	pkg     string // package of the binary in it
	tags    string // of the build
	binary  string // name of the file, and of the entry point
	title   string
	user    int
	roots   bool              // public certificate authorities, for programs that talk to Azure
	folders []string          // made for the user, empty
	env     map[string]string // set in the image
}

// specs are the images, in the order they are built.
func specs() []spec {
	return []spec{
		{name: "aksess-webhook", module: ".", pkg: "./cmd/aksess-webhook", binary: "aksess-webhook", user: nonRoot,
			title: "Admission webhook that gives pods their Azure identity"},
		// The proxy's user is the one that its redirect rules exempt. It speaks HTTP/1.1
		// only and uses one processor; HTTP/2's code and what Go sets up for each further
		// processor of the node would cost memory in every pod, 0.5 MiB and 20 KiB each.
		{name: "aksess-proxy", module: ".", pkg: "./cmd/aksess-proxy", binary: "proxy", user: 1501, roots: true,
			tags: "nethttpomithttp2", env: map[string]string{"GOMAXPROCS": "1"},
			title: "IMDS proxy of a pod and its init step"},
		{name: "aksess", module: ".", pkg: "./cmd/aksess", binary: "aksess", user: nonRoot, roots: true,
			folders: []string{"var/lib/aksess", "tmp"}, env: map[string]string{"XDG_STATE_HOME": "/var/lib"},
			title: "Azure's side of workload identity on one machine"},
		{name: "wi-api", module: "examples/widemo/wi-api", pkg: ".", binary: "wi-api", user: nonRoot, roots: true,
			title: "Sample application of the reference scenario"},
	}
}

// selectSpecs returns the images of the names, all without one.
func selectSpecs(names []string) ([]spec, error) {
	all := specs()
	if len(names) == 0 {
		return all, nil
	}
	var selected []spec
	for _, name := range names {
		i := slices.IndexFunc(all, func(s spec) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no image %q, only %s", name, strings.Join(specNames(all), ", "))
		}
		selected = append(selected, all[i])
	}
	return selected, nil
}

func specNames(all []spec) []string {
	var names []string
	for _, s := range all {
		names = append(names, s.name)
	}
	return names
}
