package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// fakeImages leaves what build leaves, for a program of a few bytes.
func fakeImages(t *testing.T) (dir string, b built) {
	t.Helper()
	s, with, platform := specOf(t, "aksess-proxy"), stamp{version: "v1"}, v1.Platform{OS: "linux", Architecture: "arm64"}
	img, err := newImage(s, platform, []byte("program"), with, epoch)
	if err != nil {
		t.Fatal(err)
	}
	index, err := newIndex(s, with, []v1.Image{img})
	if err != nil {
		t.Fatal(err)
	}
	own, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	b = built{
		Name: s.name, Reference: "x/" + s.name + ":v1", Version: "v1", Digest: digest.String(), Layout: s.name, Archive: s.name + ".tar",
		Platforms: []builtPlatform{{Platform: platform.String(), Digest: own.String(), SBOM: "bill.cdx.json"}},
	}
	if err := os.WriteFile(filepath.Join(dir, "bill.cdx.json"), []byte(`{"bomFormat":"CycloneDX"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, b, index, epoch); err != nil {
		t.Fatal(err)
	}
	if err := writeList(dir, []built{b}); err != nil {
		t.Fatal(err)
	}
	return dir, b
}

func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://") + "/some/path"
	dir, b := fakeImages(t)
	var out bytes.Buffer
	for range 2 { // what is there already is no error
		out.Reset()
		if err := run(t.Context(), []string{"push", "-from", dir, at + "/"}, os.Getenv, &out); err != nil {
			t.Fatal(err)
		}
	}
	if want := at + "/aksess-proxy:v1@" + b.Digest + "\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	tag, err := name.NewTag(at + "/aksess-proxy:v1")
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	if digest, err := index.Digest(); err != nil || digest.String() != b.Digest {
		t.Errorf("got %s, %v, want %s", digest, err, b.Digest)
	}
	checkReferrer(t, tag.Context().Digest(b.Platforms[0].Digest))
}

// checkReferrer finds the bill of materials by the image that it is about.
func checkReferrer(t *testing.T, image name.Digest) {
	t.Helper()
	referrers, err := remote.Referrers(image)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := referrers.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].ArtifactType != sbomType {
		t.Fatalf("got referrers %+v, want one bill of materials", manifest.Manifests)
	}
	artifact, err := remote.Image(image.Context().Digest(manifest.Manifests[0].Digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	layers, err := artifact.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("got layers %v, %v", layers, err)
	}
	stream, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	if content, err := io.ReadAll(stream); err != nil || string(content) != `{"bomFormat":"CycloneDX"}` {
		t.Errorf("got %q, %v", content, err)
	}
}

func TestCommandLineErrors(t *testing.T) {
	dir, _ := fakeImages(t)
	damaged, b := fakeImages(t)
	b.Digest = "sha256:" + strings.Repeat("0", 64)
	if err := writeList(damaged, []built{b}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		args  []string
		epoch string
		want  string
	}{
		{"nothing", nil, "", "usage"},
		{"command", []string{"pull"}, "", `no command "pull"`},
		{"no_folder", []string{"build"}, "", "needs -o DIR"},
		{"image", []string{"build", "-o", dir, "nope"}, "", `no image "nope", only aksess-webhook`},
		{"version", []string{"build", "-o", dir, "-version", "a b"}, "", `version "a b"`},
		{"platform", []string{"build", "-o", dir, "-platforms", "windows/amd64"}, "", `platform "windows/amd64"`},
		{"epoch", []string{"build", "-o", dir}, "yesterday", "SOURCE_DATE_EPOCH"},
		{"no_registry", []string{"push", "-from", dir, ""}, "", "one REGISTRY"},
		{"two_registries", []string{"push", "-from", dir, "a", "b"}, "", "one REGISTRY"},
		{"registry", []string{"push", "-from", dir, "UPPER case"}, "", "naming aksess-proxy"},
		{"not_built", []string{"push", "-from", t.TempDir(), "r.example"}, "", "run images build first"},
		{"other_digest", []string{"push", "-from", damaged, "r.example"}, "", "build again"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := run(t.Context(), test.args, func(string) string { return test.epoch }, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
