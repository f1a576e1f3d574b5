package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
)

// builder builds images into a folder.
type builder struct {
	root       string // of the repository
	dir        string
	repository string // registry and path in the images' references
	stamp      stamp
	platforms  []v1.Platform
	created    time.Time
	roots      debug.Module
	progress   io.Writer
}

// build builds the images, one after the other, and then writes the list of them.
func (b builder) build(ctx context.Context, images []spec) error {
	scratch, err := os.MkdirTemp("", "aksess-images-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	var list []built
	for _, s := range images {
		image, err := b.one(ctx, scratch, s)
		if err != nil {
			return err
		}
		list = append(list, image)
		_, _ = fmt.Fprintf(b.progress, "%s@%s\n", image.Reference, image.Digest)
	}
	return writeList(b.dir, list)
}

func (b builder) one(ctx context.Context, scratch string, s spec) (built, error) {
	image := built{
		Name: s.name, Reference: b.repository + "/" + s.name + ":" + b.stamp.version, Version: b.stamp.version,
		Layout: s.name, Archive: s.name + ".tar",
	}
	var images []v1.Image
	for _, platform := range b.platforms {
		program, err := compile(ctx, b.root, scratch, s, platform, b.stamp)
		if err != nil {
			return built{}, err
		}
		img, err := newImage(s, platform, program.content, b.stamp, b.created)
		if err != nil {
			return built{}, err
		}
		on, err := b.describe(s, platform, img, program)
		if err != nil {
			return built{}, err
		}
		image.Platforms, images = append(image.Platforms, on), append(images, img)
	}
	index, err := newIndex(s, b.stamp, images)
	if err != nil {
		return built{}, err
	}
	digest, err := index.Digest()
	if err != nil {
		return built{}, fmt.Errorf("hashing %s: %w", s.name, err)
	}
	image.Digest = digest.String()
	return image, write(b.dir, image, index, b.created)
}

// describe writes the bill of materials and returns what the list says.
func (b builder) describe(s spec, platform v1.Platform, img v1.Image, program binary) (builtPlatform, error) {
	digest, err := img.Digest()
	if err != nil {
		return builtPlatform{}, fmt.Errorf("hashing %s: %w", s.name, err)
	}
	layers, err := img.Layers()
	if err != nil {
		return builtPlatform{}, fmt.Errorf("measuring %s: %w", s.name, err)
	}
	on := builtPlatform{
		Platform: platform.String(), Digest: digest.String(), Binary: len(program.content),
		SBOM: s.name + "-" + fileName(platform) + ".cdx.json",
	}
	for _, layer := range layers {
		descriptor, err := partial.Descriptor(layer)
		if err != nil {
			return builtPlatform{}, fmt.Errorf("measuring %s: %w", s.name, err)
		}
		on.Compressed += descriptor.Size
	}
	materials, err := bill(s, platform, program, b.stamp, b.roots)
	if err != nil {
		return builtPlatform{}, err
	}
	if err := os.WriteFile(filepath.Join(b.dir, on.SBOM), materials, 0o644); err != nil {
		return builtPlatform{}, fmt.Errorf("writing the bill of materials of %s: %w", s.name, err)
	}
	return on, nil
}
