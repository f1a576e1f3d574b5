package aksess_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/aksess/aksess"

// pkg is one package of the root module, as its files say.
type pkg struct {
	dir     string // "internal/access"
	doc     string
	imports []string // of files that are no tests
	files   []*ast.File
}

// packages reads the root module's packages.
func packages(t *testing.T) map[string]*pkg {
	t.Helper()
	found := map[string]*pkg{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); path != "." && (err == nil || strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || entry.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		p := found[dir]
		if p == nil {
			p = &pkg{dir: dir}
			found[dir] = p
		}
		p.files = append(p.files, file)
		if file.Doc != nil {
			p.doc += file.Doc.Text()
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !slices.Contains(p.imports, name) {
				p.imports = append(p.imports, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// layers are the packages from the bottom up. A package imports only from
// layers below its own, or what allowedBeside says.
var layers = [][]string{
	{"chain"},
	{"fault"},
	{"federation", "access", "jose", "store", "directory", "storage"},
	{"azapi", "storageapi", "entra", "arm", "inject", "imds", "issuer", "gateway", "cluster"},
	{"service", "doctor"},
	{"deploy", "app", "portal"},
	{"demo"},
	{"cli", ""}, // the command line and the root package
	{"cmd"},
}

// allowedBeside are imports within a layer, each with its reason.
var allowedBeside = map[string]string{
	"directory → federation": "the rules that hold among an identity's credentials are federation's",
	"directory → store":      "records live in the store",
	"access → store":         "assignments and custom roles live in the store",
	"storage → access":       "an account's network rules are access's",
	"storage → store":        "containers, queues and messages live in the store",
	"entra → azapi":          "the token service is one of the hosts of the pipeline",
	"entra → issuer":         "signing keys are kept and rotated in one way",
	"issuer → azapi":         "discovery documents are served by the pipeline",
	"arm → azapi":            "Resource Manager is one of the hosts of the pipeline",
	"storageapi → azapi":     "the data planes of a storage account are hosts of the pipeline",
	"storageapi → arm":       "an account is a resource",
	"app → deploy":           "the deployer's client is told of in one place",
}

func layerOf(dir string) (layer int, name string) {
	switch {
	case strings.HasPrefix(dir, "cmd/"):
		return len(layers) - 1, "cmd"
	case !strings.HasPrefix(dir, "internal/"):
		return len(layers) - 2, ""
	}
	name, _, _ = strings.Cut(strings.TrimPrefix(dir, "internal/"), "/")
	for i, names := range layers {
		if slices.Contains(names, name) {
			return i, name
		}
	}
	return -1, name
}

func TestImportsRunDownwards(t *testing.T) {
	for _, p := range packages(t) {
		from, name := layerOf(p.dir)
		if from < 0 {
			t.Errorf("%s is in no layer of ARCHITECTURE.md; add it to layers in this test and say there what it is for", p.dir)
			continue
		}
		for _, imported := range p.imports {
			dir, ours := strings.CutPrefix(imported, modulePath+"/")
			if !ours || strings.HasPrefix(dir, "examples/") {
				continue
			}
			to, other := layerOf(dir)
			if other == name || to < from {
				continue
			}
			if allowedBeside[name+" → "+other] == "" {
				t.Errorf("%s imports %s, which is not below it: imports run downwards only, so that a decision can be used without what is built on it", p.dir, dir)
			}
		}
	}
}

func TestServicesDoNotImportEachOther(t *testing.T) {
	for _, p := range packages(t) {
		own, ok := strings.CutPrefix(p.dir, "internal/service/")
		if !ok {
			continue
		}
		for _, imported := range p.imports {
			other, isService := strings.CutPrefix(imported, modulePath+"/internal/service/")
			if isService && strings.Split(other, "/")[0] != strings.Split(own, "/")[0] {
				t.Errorf("service %s imports service %s: two services meet in directory, access, storage or store", own, other)
			}
		}
	}
}

func TestEveryServiceIsListed(t *testing.T) {
	listed := packages(t)["internal/service"].imports
	entries, err := os.ReadDir("internal/service")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if !slices.Contains(listed, modulePath+"/internal/service/"+entry.Name()) {
			t.Errorf("internal/service/%s is not in internal/service/all.go, so nobody is served by it", entry.Name())
		}
		if _, err := os.Stat(filepath.Join("internal/service", entry.Name(), "README.md")); err != nil {
			t.Errorf("internal/service/%s has no README.md with its divergences from Azure", entry.Name())
		}
	}
}

// onlyImporters are libraries that one part of the tree is the door to.
var onlyImporters = []struct {
	library string
	allowed []string
	reason  string
}{
	{"github.com/go-jose/go-jose", []string{"internal/jose"}, "what a signature is checked against is decided in one place"},
	{"k8s.io/client-go", []string{"internal/cluster", "internal/inject/kube", "internal/cli/webhook"}, "Kubernetes' client is large, and only what talks to a cluster needs it"},
	{"github.com/prometheus/client_golang", []string{"internal/inject/metrics"}, "what is measured is told by hooks, so that the rest can do without"},
	{"modernc.org/sqlite", []string{"internal/store/sqlite"}, "the store is a boundary"},
	{"github.com/spf13/cobra", []string{"internal/cli"}, "flags are read on the command line only"},
	{"github.com/google/nftables", []string{"internal/imds/redirect"}, "what the kernel is told is decided in one place"},
}

func TestLibrariesHaveOneDoor(t *testing.T) {
	for _, p := range packages(t) {
		for _, rule := range onlyImporters {
			for _, imported := range p.imports {
				if strings.HasPrefix(imported, rule.library) && !slices.ContainsFunc(rule.allowed, func(dir string) bool { return p.dir == dir || strings.HasPrefix(p.dir, dir+"/") }) {
					t.Errorf("%s imports %s: %s", p.dir, imported, rule.reason)
				}
			}
		}
	}
}

// TestRootIsFreeOfKubernetes lists what a Go test that uses the public package
// is made to build.
func TestRootIsFreeOfKubernetes(t *testing.T) {
	libraries(t, ".", func(library, path string) {
		if strings.HasPrefix(library, "k8s.io/") || strings.HasPrefix(library, "sigs.k8s.io/") {
			t.Errorf("the root package imports %s by way of %s", library, path)
		}
	})
}

// TestProxyIsSmall: the proxy is beside every pod that asks for it, so it is the
// standard library and what sets the kernel's rules.
func TestProxyIsSmall(t *testing.T) {
	allowed := []string{"github.com/google/nftables", "golang.org/x/sys/"}
	libraries(t, "cmd/aksess-proxy", func(library, path string) {
		if !slices.ContainsFunc(allowed, func(prefix string) bool { return strings.HasPrefix(library, prefix) }) {
			t.Errorf("aksess-proxy imports %s by way of %s", library, path)
		}
	})
}

// libraries shows the packages of other modules that a package imports, itself
// or by way of the module's own.
func libraries(t *testing.T, from string, show func(library, path string)) {
	t.Helper()
	all := packages(t)
	if all[from] == nil {
		t.Fatalf("there is no package %s", from)
	}
	seen := map[string]bool{}
	var visit func(dir, path string)
	visit = func(dir, path string) {
		if seen[dir] || all[dir] == nil {
			return
		}
		seen[dir] = true
		for _, imported := range all[dir].imports {
			sub, ours := strings.CutPrefix(imported, modulePath+"/")
			if host, _, _ := strings.Cut(imported, "/"); !ours && strings.Contains(host, ".") {
				show(imported, path)
			}
			if ours {
				visit(sub, path+" → "+sub)
			}
		}
	}
	visit(from, from)
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	for _, p := range packages(t) {
		if len(strings.Fields(p.doc)) < 8 {
			t.Errorf("%s has no package comment that says what it owns and what it leaves to its neighbour", p.dir)
		}
		name := p.files[0].Name.Name
		if slices.Contains([]string{"util", "utils", "common", "helpers", "models", "manager", "impl"}, name) {
			t.Errorf("%s: a package called %s says nothing of what is in it", p.dir, name)
		}
	}
}

// TestFaultCodesAreUnique: a code is one variable of one package.
func TestFaultCodesAreUnique(t *testing.T) {
	for _, p := range packages(t) {
		seen := map[string]string{}
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				literal, ok := n.(*ast.CompositeLit)
				if !ok {
					return true
				}
				selector, ok := literal.Type.(*ast.SelectorExpr)
				if !ok || selector.Sel.Name != "Kind" || fmt.Sprint(selector.X) != "fault" {
					return true
				}
				id := field(literal, "Code") + "/" + field(literal, "Inner") + field(literal, "Name")
				if field(literal, "Code") != "" && seen[id] != "" {
					t.Errorf("%s declares the code %q twice", p.dir, strings.TrimSuffix(id, "/"))
				}
				seen[id] = id
				return true
			})
		}
	}
}

func field(literal *ast.CompositeLit, name string) string {
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok || fmt.Sprint(pair.Key) != name {
			continue
		}
		if value, ok := pair.Value.(*ast.BasicLit); ok {
			text, _ := strconv.Unquote(value.Value)
			return text
		}
	}
	return ""
}

// TestRootModule: what users of the module are made to fetch stays a decision.
func TestRootModule(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^replace\b`).Match(text) {
		t.Error("the root go.mod has a replace directive: `go install` of the module would fail")
	}
	if _, err := os.Stat("go.work"); err == nil {
		t.Error("go.work is not committed")
	}
}

// TestDocumentation: the pages that the README leads to exist.
func TestDocumentation(t *testing.T) {
	for _, page := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "docs/divergences.md", "docs/annotations.md", "docs/install.md", "docs/decisions"} {
		if _, err := os.Stat(page); err != nil {
			t.Errorf("%s is missing", page)
		}
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, page := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/divergences.md", "docs/annotations.md", "docs/install.md", "deploy/helm/aksess/README.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			continue
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), match[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, match[1])
			}
		}
	}
}
