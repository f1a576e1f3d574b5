package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// push sends the images of a folder to REGISTRY/NAME:VERSION and prints what
// can be pulled. REGISTRY is a host with or without a path; one on this machine
// is spoken to without TLS.
func push(ctx context.Context, dir, registry string, progress io.Writer) error {
	images, err := readList(dir)
	if err != nil {
		return err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	for _, b := range images {
		tag, err := name.NewTag(strings.TrimSuffix(registry, "/")+"/"+b.Name+":"+b.Version, name.StrictValidation)
		if err != nil {
			return fmt.Errorf("naming %s: %w", b.Name, err)
		}
		index, err := readIndex(dir, b)
		if err != nil {
			return err
		}
		if err := remote.WriteIndex(tag, index, options...); err != nil {
			return fmt.Errorf("pushing %s: %w", tag, err)
		}
		for _, on := range b.Platforms {
			if err := attach(dir, tag.Context(), index, on, options); err != nil {
				return err
			}
		}
		_, _ = fmt.Fprintf(progress, "%s@%s\n", tag, b.Digest)
	}
	return nil
}

// attach pushes a bill of materials as a referrer of the image it is about
// (https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
func attach(dir string, repository name.Repository, index v1.ImageIndex, on builtPlatform, options []remote.Option) error {
	materials, err := os.ReadFile(filepath.Join(dir, on.SBOM))
	if err != nil {
		return fmt.Errorf("reading a bill of materials: %w", err)
	}
	subject, err := descriptor(index, on.Digest)
	if err != nil {
		return err
	}
	artifact := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), sbomType)
	artifact, err = mutate.Append(artifact, mutate.Addendum{
		Layer: static.NewLayer(materials, sbomType), MediaType: sbomType,
		Annotations: map[string]string{"org.opencontainers.image.title": on.SBOM},
	})
	if err != nil {
		return fmt.Errorf("attaching %s: %w", on.SBOM, err)
	}
	attached := mutate.Subject(artifact, subject).(v1.Image)
	digest, err := attached.Digest()
	if err != nil {
		return fmt.Errorf("attaching %s: %w", on.SBOM, err)
	}
	if err := remote.Write(repository.Digest(digest.String()), attached, options...); err != nil {
		return fmt.Errorf("pushing %s: %w", on.SBOM, err)
	}
	return nil
}

func descriptor(index v1.ImageIndex, digest string) (v1.Descriptor, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	for _, d := range manifest.Manifests {
		if d.Digest.String() == digest {
			return v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest}, nil
		}
	}
	return v1.Descriptor{}, fmt.Errorf("the index has no image %s: build again", digest)
}
