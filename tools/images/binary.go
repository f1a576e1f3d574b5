package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// binary is a program that has been built for a platform.
type binary struct {
	content []byte
	info    *buildinfo.BuildInfo // what is in it, as the linker wrote it
}

// stamp is what the linker writes into the programs.
type stamp struct {
	version, commit string
}

// compile builds the program of an image into the scratch folder and reads it.
func compile(ctx context.Context, root, scratch string, s spec, platform v1.Platform, with stamp) (binary, error) {
	out := filepath.Join(scratch, s.name+"-"+fileName(platform))
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", s.tags,
		"-ldflags", "-s -w -X main.version="+with.version+" -X main.commit="+with.commit, "-o", out, s.pkg)
	command.Dir = filepath.Join(root, filepath.FromSlash(s.module))
	command.Env = buildEnvironment(os.Environ(), platform)
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return binary{}, fmt.Errorf("building %s for %s: %w", s.pkg, platform, err)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		return binary{}, fmt.Errorf("reading the binary of %s: %w", s.name, err)
	}
	info, err := buildinfo.ReadFile(out)
	if err != nil {
		return binary{}, fmt.Errorf("reading the build information of %s: %w", s.name, err)
	}
	return binary{content: content, info: info}, os.Remove(out)
}

// buildEnvironment keeps what says where Go's caches and modules are, and sets
// everything that decides the content of a binary.
func buildEnvironment(environ []string, platform v1.Platform) []string {
	decisive := map[string]string{
		"CGO_ENABLED": "0", "GOOS": platform.OS, "GOARCH": platform.Architecture,
		"GOFLAGS": "-mod=readonly", "GOWORK": "off", "GOEXPERIMENT": "", "GOFIPS140": "off",
		"GOAMD64": "v1", "GOARM64": "v8.0",
	}
	var env []string
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if _, ours := decisive[name]; !ours {
			env = append(env, pair)
		}
	}
	for name, value := range decisive {
		env = append(env, name+"="+value)
	}
	return env
}

// fileName is the platform in the name of a file.
func fileName(platform v1.Platform) string {
	return strings.ReplaceAll(platform.String(), "/", "-")
}
