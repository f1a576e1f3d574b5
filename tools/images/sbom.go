package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// sbomType is the media type of a bill of materials as JSON
// (https://cyclonedx.org/specification/overview/#recognized-file-patterns).
const sbomType = "application/vnd.cyclonedx+json"

// bill lists what an image for a platform is made of: the modules that the
// linker put into the binary, Go's standard library and the public authorities.
// It has no time and no serial number, so that it is the same for the same image.
func bill(s spec, platform v1.Platform, b binary, with stamp, roots debug.Module) ([]byte, error) {
	digest := sha256.Sum256(b.content)
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{
		BOMRef: s.name, Type: cdx.ComponentTypeApplication, Name: s.name, Version: with.version, Description: s.title,
		Licenses:   &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
		Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(digest[:])}},
		PackageURL: purl(b.info.Main.Path, with.version) + subpath(b.info),
		Properties: &[]cdx.Property{{Name: "aksess:platform", Value: platform.String()}, {Name: "aksess:file", Value: "/" + s.binary}},
	}}
	components := []cdx.Component{module(debug.Module{Path: "stdlib", Version: strings.TrimPrefix(b.info.GoVersion, "go")})}
	for _, dependency := range b.info.Deps {
		components = append(components, module(*dependency))
	}
	if s.roots {
		authorities := module(roots)
		authorities.Description = "certificates in /" + rootsFile
		components = append(components, authorities)
	}
	bom.Components = &components
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("writing the bill of materials of %s: %w", s.name, err)
	}
	return out.Bytes(), nil
}

// module is a Go module as a component; what replaces it is what is built.
func module(m debug.Module) cdx.Component {
	if m.Replace != nil {
		m = *m.Replace
	}
	return cdx.Component{
		BOMRef: purl(m.Path, m.Version), Type: cdx.ComponentTypeLibrary,
		Name: m.Path, Version: m.Version, PackageURL: purl(m.Path, m.Version),
	}
}

// purl names a Go module (https://github.com/package-url/purl-spec).
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

// subpath is where the program is in its module.
func subpath(info *buildinfo.BuildInfo) string {
	if below, found := strings.CutPrefix(info.Path, info.Main.Path+"/"); found {
		return "#" + below
	}
	return ""
}

// rootsVersion is the module of the public authorities in this program.
func rootsVersion() (debug.Module, error) {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, dependency := range info.Deps {
			if dependency.Path == rootsModule {
				return *dependency, nil
			}
		}
	}
	return debug.Module{}, fmt.Errorf("this program does not know the version of %s: build it as a module", rootsModule)
}
