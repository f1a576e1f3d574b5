package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const source = "https://github.com/aksess/aksess"

// annotations describe an image in its configuration, manifest and index
// (https://github.com/opencontainers/image-spec/blob/main/annotations.md). The
// time of creation is not among them: it would make every build another one.
func annotations(s spec, with stamp) map[string]string {
	a := map[string]string{
		"org.opencontainers.image.title":       s.name,
		"org.opencontainers.image.description": s.title,
		"org.opencontainers.image.source":      source,
		"org.opencontainers.image.version":     with.version,
		"org.opencontainers.image.licenses":    "Apache-2.0",
	}
	if with.commit != "" {
		a["org.opencontainers.image.revision"] = with.commit
	}
	return a
}

// newImage puts a binary into an image for a platform. Nothing else is in it
// but what the spec says.
func newImage(s spec, platform v1.Platform, content []byte, with stamp, created time.Time) (v1.Image, error) {
	files, err := filesOf(s, content)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, layer := range files {
		blob, err := newLayer(layer, created)
		if err != nil {
			return nil, err
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer: blob, MediaType: types.OCILayer,
			History: v1.History{Created: v1.Time{Time: created}, CreatedBy: "aksess tools/images", Comment: layer[len(layer)-1].name},
		})
		if err != nil {
			return nil, fmt.Errorf("adding a layer to %s: %w", s.name, err)
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("configuring %s: %w", s.name, err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Created = v1.Time{Time: created}
	config.Config = v1.Config{
		User: fmt.Sprintf("%d:%d", s.user, s.user), Entrypoint: []string{"/" + s.binary}, WorkingDir: "/",
		Labels: annotations(s, with), Env: environment(s.env),
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, fmt.Errorf("configuring %s: %w", s.name, err)
	}
	return mutate.Annotations(img, annotations(s, with)).(v1.Image), nil
}

func environment(values map[string]string) []string {
	var env []string
	for name, value := range values {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// newIndex gathers the images of all platforms.
func newIndex(s spec, with stamp, images []v1.Image) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		config, err := img.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("indexing %s: %w", s.name, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}},
		})
	}
	return mutate.Annotations(index, annotations(s, with)).(v1.ImageIndex), nil
}

// file is a file or, with a name that ends in a slash, a folder of a layer.
type file struct {
	name    string
	mode    int64
	owner   int
	content []byte
}

// filesOf returns the layers of an image, what changes least first, so that
// images share it.
func filesOf(s spec, content []byte) ([][]file, error) {
	var layers [][]file
	if s.roots {
		layers = append(layers, withParents(file{name: rootsFile, mode: 0o444, content: publicRoots()}))
	}
	for _, folder := range s.folders {
		layers = append(layers, withParents(file{name: folder + "/", mode: 0o700, owner: s.user}))
	}
	if len(content) == 0 {
		return nil, fmt.Errorf("the binary of %s is empty", s.name)
	}
	return append(layers, []file{{name: s.binary, mode: 0o555, content: content}}), nil
}

// withParents puts the folders that a file is in before it.
func withParents(f file) []file {
	files := []file{f}
	for dir := path.Dir(path.Clean(f.name)); dir != "."; dir = path.Dir(dir) {
		files = append(files, file{name: dir + "/", mode: 0o755})
	}
	slices.Reverse(files)
	return files
}

func newLayer(files []file, created time.Time) (v1.Layer, error) {
	content, err := archive(files, created)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// archive writes files into a tar, in their order, all of one time.
func archive(files []file, created time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		header := &tar.Header{
			Name: f.name, Mode: f.mode, Uid: f.owner, Gid: f.owner, ModTime: created,
			Typeflag: tar.TypeReg, Size: int64(len(f.content)), Format: tar.FormatUSTAR,
		}
		if f.name[len(f.name)-1] == '/' {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("archiving %s: %w", f.name, err)
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, fmt.Errorf("archiving %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("archiving: %w", err)
	}
	return out.Bytes(), nil
}
