package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// program is the image that the tests build for real.
const program = "aksess-proxy"

// newBuilder builds from a checkout in root into a new folder.
func newBuilder(t *testing.T, root string) builder {
	t.Helper()
	return builder{
		root: root, dir: t.TempDir(), repository: "registry.example/aksess", stamp: stamp{version: "v1.2.3", commit: "abc"},
		platforms: []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}, created: epoch,
		roots: debug.Module{Path: rootsModule, Version: "v0.0.1"}, progress: io.Discard,
	}
}

// built1 builds one image and returns what the list says of it.
func (b builder) built1(t *testing.T, name string) built {
	t.Helper()
	if err := b.build(t.Context(), []spec{specOf(t, name)}); err != nil {
		t.Fatal(err)
	}
	list, err := readList(b.dir)
	if err != nil || len(list) != 1 {
		t.Fatalf("got %v, %v", list, err)
	}
	return list[0]
}

// checkout copies the files of this repository, as git lists them, elsewhere.
func checkout(t *testing.T) string {
	t.Helper()
	from, to := filepath.Join("..", ".."), filepath.Join(t.TempDir(), "some", "where", "else")
	listed, err := exec.CommandContext(t.Context(), "git", "-C", from, "ls-files", "-co", "--exclude-standard", "-z", "--", "*.go", "go.mod", "go.sum", "cmd", "internal").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(listed), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestSameDigestElsewhere builds in two folders, the second time by somebody
// who prefers other settings, and expects the same bytes.
func TestSameDigestElsewhere(t *testing.T) {
	here := newBuilder(t, filepath.Join("..", ".."))
	want := here.built1(t, program)
	t.Setenv("GOAMD64", "v3")
	t.Setenv("GOFLAGS", "-trimpath=false")
	t.Setenv("CGO_ENABLED", "1")
	t.Setenv("TZ", "Asia/Kolkata")
	there := newBuilder(t, checkout(t))
	got := there.built1(t, program)
	if got.Digest != want.Digest {
		t.Errorf("got %s elsewhere, want %s", got.Digest, want.Digest)
	}
	for _, name := range []string{want.Archive, want.Platforms[0].SBOM, want.Platforms[1].SBOM, listFile} {
		if !bytes.Equal(read(t, here.dir, name), read(t, there.dir, name)) {
			t.Errorf("%s is another one elsewhere", name)
		}
	}
	there.stamp.version, there.platforms = "v1.2.4", there.platforms[:1]
	if again := there.built1(t, program); again.Platforms[0].Digest == want.Platforms[0].Digest {
		t.Error("got the same digest for another version")
	}
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestBillOfMaterials compares the bill with what the go command reads from
// the binary in the image.
func TestBillOfMaterials(t *testing.T) {
	b := newBuilder(t, filepath.Join("..", ".."))
	image := b.built1(t, program)
	binary := extract(t, b.dir, image)
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(read(t, b.dir, image.Platforms[0].SBOM)), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(read(t, binary))
	if got := (*bom.Metadata.Component.Hashes)[0].Value; got != hex.EncodeToString(digest[:]) {
		t.Errorf("got hash %s of another file", got)
	}
	if got, want := bom.Metadata.Component.PackageURL, "pkg:golang/github.com/aksess/aksess@v1.2.3#cmd/"+program; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if bom.SpecVersion != cdx.SpecVersion1_6 || bom.SerialNumber != "" || bom.Metadata.Timestamp != "" {
		t.Errorf("got version %s, serial number %q, time %q", bom.SpecVersion, bom.SerialNumber, bom.Metadata.Timestamp)
	}
	var got []string
	for _, component := range *bom.Components {
		got = append(got, component.Name+" "+component.Version)
	}
	want := append(modulesOf(t, binary), rootsModule+" v0.0.1")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(want) < 3 {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if info, err := buildinfo.ReadFile(binary); err != nil || !slices.Contains(info.Settings, debug.BuildSetting{Key: "-tags", Value: "nethttpomithttp2"}) {
		t.Errorf("got %v, %v: built without the image's tags", info, err)
	}
}

// extract takes the program out of the image and returns its path.
func extract(t *testing.T, dir string, image built) string {
	t.Helper()
	index, err := readIndex(dir, image)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := v1.NewHash(image.Platforms[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	img, err := index.Image(digest)
	if err != nil {
		t.Fatal(err)
	}
	stream := mutate.Extract(img)
	defer func() { _ = stream.Close() }()
	to := t.TempDir()
	untar := exec.CommandContext(t.Context(), "tar", "-x", "-C", to)
	untar.Stdin = stream
	if out, err := untar.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(to, specOf(t, image.Name).binary)
}

// modulesOf asks the go command, which prints "dep PATH VERSION SUM" and
// "=> PATH VERSION SUM" for what replaces the line before.
func modulesOf(t *testing.T, binary string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && strings.HasPrefix(fields[0], binary):
			modules = append(modules, "stdlib "+strings.TrimPrefix(fields[1], "go"))
		case len(fields) > 2 && fields[0] == "dep":
			modules = append(modules, fields[1]+" "+fields[2])
		case len(fields) > 2 && fields[0] == "=>":
			modules[len(modules)-1] = fields[1] + " " + fields[2]
		}
	}
	return modules
}

// TestRootsAreInTheBill: what is in the image without being in the binary.
func TestRootsAreInTheBill(t *testing.T) {
	s := spec{name: "x", binary: "x", roots: true}
	roots := debug.Module{Path: rootsModule, Version: "v0.0.1+incompatible"}
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Path: "m.example/x", Main: debug.Module{Path: "m.example/x"}, Deps: []*debug.Module{
		{Path: "a.example/old", Version: "v1.0.0", Replace: &debug.Module{Path: "a.example/new", Version: "v2.0.0"}},
	}}
	raw, err := bill(s, v1.Platform{OS: "linux", Architecture: "amd64"}, binary{content: []byte("x"), info: info}, stamp{version: "v1"}, roots)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"pkg:golang/m.example/x@v1"`, `"pkg:golang/stdlib@1.26.8"`, `"pkg:golang/a.example/new@v2.0.0"`, `"pkg:golang/` + rootsModule + `@v0.0.1%2Bincompatible"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("got no %s in %s", want, raw)
		}
	}
	if strings.Contains(string(raw), "a.example/old") {
		t.Errorf("got the replaced module in %s", raw)
	}
}

// TestIndexOfTwoPlatforms reads the layout and the archive as a runtime does.
func TestIndexOfTwoPlatforms(t *testing.T) {
	dir := t.TempDir()
	s, with := specOf(t, "aksess-proxy"), stamp{version: "v1"}
	var images []v1.Image
	for _, architecture := range []string{"amd64", "arm64"} {
		img, err := newImage(s, v1.Platform{OS: "linux", Architecture: architecture}, []byte(architecture), with, epoch)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
	}
	index, err := newIndex(s, with, images)
	if err != nil {
		t.Fatal(err)
	}
	b := built{Name: s.name, Reference: "registry.example/aksess-proxy:v1", Version: "v1", Layout: s.name, Archive: s.name + ".tar"}
	for range 2 { // the second build replaces the first
		if err := write(dir, b, index, epoch); err != nil {
			t.Fatal(err)
		}
	}
	root, err := layout.ImageIndexFromPath(filepath.Join(dir, b.Layout))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(root); err != nil {
		t.Error(err)
	}
	checkIndex(t, read(t, dir, b.Layout, "index.json"), b)
	listed, err := exec.CommandContext(t.Context(), "tar", "-t", "-f", filepath.Join(dir, b.Archive)).Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(listed))
	if !slices.IsSorted(files) || !slices.Contains(files, "oci-layout") || !slices.Contains(files, "index.json") || len(files) != 2+2+1+2*2+3 {
		t.Errorf("got archive of %q", files)
	}
	index2, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	inner, err := root.ImageIndex(index2.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"linux/amd64", "linux/arm64"} {
		if got := manifest.Manifests[i].Platform.String(); got != want {
			t.Errorf("image %d: got platform %s, want %s", i, got, want)
		}
	}
}

func checkIndex(t *testing.T, raw []byte, b built) {
	t.Helper()
	var index struct {
		Manifests []struct{ Annotations map[string]string }
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	if len(index.Manifests) != 1 {
		t.Fatalf("got %d entries, want the index alone: %s", len(index.Manifests), raw)
	}
	for name, want := range map[string]string{"io.containerd.image.name": b.Reference, "org.opencontainers.image.ref.name": b.Version} {
		if got := index.Manifests[0].Annotations[name]; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
