package main

import (
	"archive/tar"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

var epoch = time.Unix(0, 0).UTC()

func specOf(t *testing.T, name string) spec {
	t.Helper()
	selected, err := selectSpecs([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	return selected[0]
}

// entry is what a test looks at in a layer.
type entry struct {
	mode     int64
	uid, gid int
	size     int64
}

// contents reads the file system of an image.
func contents(t *testing.T, img v1.Image) map[string]entry {
	t.Helper()
	stream := mutate.Extract(img)
	defer func() { _ = stream.Close() }()
	found := map[string]entry{}
	for r := tar.NewReader(stream); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if !header.ModTime.Equal(epoch) {
			t.Errorf("%s: got time %v, want %v", header.Name, header.ModTime, epoch)
		}
		found[header.Name] = entry{mode: header.Mode, uid: header.Uid, gid: header.Gid, size: header.Size}
	}
}

func TestImageHoldsOneProgram(t *testing.T) {
	arm64 := v1.Platform{OS: "linux", Architecture: "arm64"}
	roots := int64(len(publicRoots()))
	parents := map[string]entry{"etc": {mode: 0o755}, "etc/ssl": {mode: 0o755}, "etc/ssl/certs": {mode: 0o755}, rootsFile: {mode: 0o444, size: roots}}
	tests := []struct {
		name, user, entry string
		env               []string
		files             map[string]entry
		roots             bool
	}{
		{"aksess-webhook", "65532:65532", "/aksess-webhook", nil, map[string]entry{"aksess-webhook": {mode: 0o555, size: 7}}, false},
		{"aksess-proxy", "1501:1501", "/proxy", []string{"GOMAXPROCS=1"}, map[string]entry{"proxy": {mode: 0o555, size: 7}}, true},
		{"aksess", "65532:65532", "/aksess", []string{"XDG_STATE_HOME=/var/lib"}, map[string]entry{
			"aksess": {mode: 0o555, size: 7}, "tmp": {mode: 0o700, uid: 65532, gid: 65532},
			"var": {mode: 0o755}, "var/lib": {mode: 0o755}, "var/lib/aksess": {mode: 0o700, uid: 65532, gid: 65532},
		}, true},
		{"wi-api", "65532:65532", "/wi-api", nil, map[string]entry{"wi-api": {mode: 0o555, size: 7}}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			img, err := newImage(specOf(t, test.name), arm64, []byte("program"), stamp{version: "v1", commit: "abc"}, epoch)
			if err != nil {
				t.Fatal(err)
			}
			if test.roots {
				for name, e := range parents {
					test.files[name] = e
				}
			}
			got := contents(t, img)
			for name, e := range got {
				if e != test.files[name] {
					t.Errorf("%s: got %+v, want %+v", name, e, test.files[name])
				}
			}
			if len(got) != len(test.files) {
				t.Errorf("got %d files %v, want %d", len(got), got, len(test.files))
			}
			checkConfig(t, img, test.user, test.entry, test.env)
		})
	}
}

func checkConfig(t *testing.T, img v1.Image, user, entryPoint string, env []string) {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config
	if config.OS != "linux" || config.Architecture != "arm64" || !config.Created.Equal(epoch) {
		t.Errorf("got %s/%s of %v", config.OS, config.Architecture, config.Created)
	}
	if c.User != user || !slices.Equal(c.Entrypoint, []string{entryPoint}) || len(c.Cmd) > 0 || !slices.Equal(c.Env, env) {
		t.Errorf("got user %q, entry point %q, command %q, environment %q", c.User, c.Entrypoint, c.Cmd, c.Env)
	}
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.MediaType != types.OCIManifestSchema1 || manifest.Config.MediaType != types.OCIConfigJSON {
		t.Errorf("got media types %s, %s", manifest.MediaType, manifest.Config.MediaType)
	}
	for _, texts := range []map[string]string{c.Labels, manifest.Annotations} {
		for name, want := range map[string]string{"source": source, "version": "v1", "revision": "abc", "licenses": "Apache-2.0"} {
			if got := texts["org.opencontainers.image."+name]; got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
}

func TestEmptyBinaryIsRefused(t *testing.T) {
	if _, err := newImage(specOf(t, "aksess-webhook"), v1.Platform{OS: "linux", Architecture: "amd64"}, nil, stamp{}, epoch); err == nil {
		t.Error("got an image without a program")
	}
}

// TestPublicRoots: the authorities behind login.microsoftonline.com and the
// rest of Azure (https://learn.microsoft.com/azure/security/fundamentals/azure-ca-details)
// are there.
func TestPublicRoots(t *testing.T) {
	wanted := map[string]bool{"DigiCert Global Root G2": true, "DigiCert Global Root G3": true, "Microsoft RSA Root Certificate Authority 2017": true, "Microsoft ECC Root Certificate Authority 2017": true}
	count := 0
	for rest := publicRoots(); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !certificate.IsCA {
			t.Errorf("%s is no authority", certificate.Subject)
		}
		count++
		delete(wanted, certificate.Subject.CommonName)
	}
	if len(wanted) > 0 || count < 100 {
		t.Errorf("got %d authorities, without %v", count, wanted)
	}
}

func TestWithParents(t *testing.T) {
	for name, want := range map[string]string{"proxy": "proxy", "a/b/c": "a/ a/b/ a/b/c", "a/b/": "a/ a/b/"} {
		var got []string
		for _, f := range withParents(file{name: name}) {
			got = append(got, f.name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
