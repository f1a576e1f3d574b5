package node

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// pauseImage holds a pod's namespaces.
const pauseImage = "aksess.test/pause:1"

// registryAddress is where the node's registry serves; containerd asks it for
// the images of every other one.
func registryAddress() string { return net.JoinHostPort(Address().String(), "5000") }

// startRegistry serves a registry until the test ends. It keeps no log.
func startRegistry(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", registryAddress())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // it ends by Close only
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
}

// PushLayout puts an image of an OCI layout folder into the registry, where the
// node finds it as REPOSITORY:TAG of any registry.
func PushLayout(t testing.TB, folder, repository, tag string) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatalf("reading the image %s: %v", folder, err)
	}
	if err := remote.WriteIndex(reference(t, repository, tag), index, remote.WithContext(t.Context())); err != nil {
		t.Fatalf("pushing %s: %v", folder, err)
	}
}

// PushProgram puts an image with one static program in it, its entry point, into
// the registry.
func PushProgram(t testing.TB, program, repository, tag string) {
	t.Helper()
	image, err := programImage(program)
	if err != nil {
		t.Fatalf("making an image of %s: %v", program, err)
	}
	if err := remote.Write(reference(t, repository, tag), image, remote.WithContext(t.Context())); err != nil {
		t.Fatalf("pushing %s: %v", program, err)
	}
}

func reference(t testing.TB, repository, tag string) name.Tag {
	t.Helper()
	ref, err := name.NewTag(registryAddress()+"/"+repository+":"+tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func programImage(program string) (v1.Image, error) {
	content, err := archive(program)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config.Entrypoint = []string{"/" + filepath.Base(program)}
	return mutate.ConfigFile(image, file)
}

// archive is a tar file with the program at its root.
func archive(program string) ([]byte, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	err = writer.WriteHeader(&tar.Header{Name: filepath.Base(program), Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg})
	if err != nil {
		return nil, err
	}
	_, err = writer.Write(content)
	err = errors.Join(err, writer.Close())
	return buffer.Bytes(), err
}
