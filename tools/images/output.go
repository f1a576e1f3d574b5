package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
)

// listFile says what a folder of images holds.
const listFile = "images.json"

// built is one image of a folder. Paths are relative to the folder.
type built struct {
	Name      string          `json:"name"`
	Reference string          `json:"reference"` // as container runtimes know it after an import
	Version   string          `json:"version"`
	Digest    string          `json:"digest"` // of the index
	Layout    string          `json:"layout"`
	Archive   string          `json:"archive"`
	Platforms []builtPlatform `json:"platforms"`
}

type builtPlatform struct {
	Platform   string `json:"platform"`
	Digest     string `json:"digest"`
	Compressed int64  `json:"compressed"` // bytes that a node pulls
	Binary     int    `json:"binary"`     // bytes
	SBOM       string `json:"sbom"`
}

// write leaves an image in the folder as a layout and as one archive.
func write(dir string, b built, index v1.ImageIndex, created time.Time) error {
	path := filepath.Join(dir, b.Layout)
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("clearing %s: %w", path, err)
	}
	to, err := layout.Write(path, empty.Index)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	// containerd names an imported image by the first annotation, others by the second.
	names := map[string]string{"io.containerd.image.name": b.Reference, "org.opencontainers.image.ref.name": b.Version}
	if err := to.AppendIndex(index, layout.WithAnnotations(names)); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	files, err := filesBelow(path)
	if err != nil {
		return err
	}
	content, err := archive(files, created)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, b.Archive), content, 0o644); err != nil {
		return fmt.Errorf("writing the archive of %s: %w", b.Name, err)
	}
	return nil
}

// filesBelow reads a folder, sorted by name.
func filesBelow(root string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			files = append(files, file{name: filepath.ToSlash(name) + "/", mode: 0o755})
			return nil
		}
		content, err := os.ReadFile(path)
		files = append(files, file{name: filepath.ToSlash(name), mode: 0o644, content: content})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", root, err)
	}
	return files, nil
}

func writeList(dir string, images []built) error {
	raw, err := json.MarshalIndent(images, "", "  ")
	if err != nil {
		return fmt.Errorf("listing images: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, listFile), append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("listing images: %w", err)
	}
	return nil
}

func readList(dir string) ([]built, error) {
	raw, err := os.ReadFile(filepath.Join(dir, listFile))
	if err != nil {
		return nil, fmt.Errorf("reading what was built (run images build first): %w", err)
	}
	var images []built
	if err := json.Unmarshal(raw, &images); err != nil {
		return nil, fmt.Errorf("reading %s: %w", listFile, err)
	}
	return images, nil
}

// readIndex returns an image that write left.
func readIndex(dir string, b built) (v1.ImageIndex, error) {
	root, err := layout.ImageIndexFromPath(filepath.Join(dir, b.Layout))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", b.Layout, err)
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", b.Layout, err)
	}
	for _, descriptor := range manifest.Manifests {
		if descriptor.Digest.String() == b.Digest && match.Annotation("org.opencontainers.image.ref.name", b.Version)(descriptor) {
			return root.ImageIndex(descriptor.Digest)
		}
	}
	return nil, fmt.Errorf("%s does not hold %s, which %s says it does: build again", b.Layout, b.Digest, listFile)
}
