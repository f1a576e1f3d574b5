package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

const usage = "usage: images build -o DIR [NAME...] | images push -from DIR REGISTRY"

func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	switch args[0] {
	case "build":
		return runBuild(ctx, args[1:], getenv, out)
	case "push":
		return runPush(ctx, args[1:], out)
	}
	return fmt.Errorf("there is no command %q; %s", args[0], usage)
}

// tagPattern is the grammar of a tag
// (https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests).
var tagPattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

func runBuild(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	b := builder{progress: out}
	flags := flag.NewFlagSet("images build", flag.ContinueOnError)
	flags.StringVar(&b.dir, "o", "", "`folder` to leave the images in")
	flags.StringVar(&b.root, "root", filepath.Join("..", ".."), "`folder` of the repository")
	flags.StringVar(&b.repository, "repository", "ghcr.io/aksess", "registry and path of the images' names")
	flags.StringVar(&b.stamp.version, "version", "devel", "`version` of the programs, and tag of the images")
	flags.StringVar(&b.stamp.commit, "commit", "", "`commit` that they are built from")
	platforms := flags.String("platforms", "linux/amd64,linux/arm64", "`list` of platforms, separated by commas")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if b.dir == "" {
		return errors.New("build needs -o DIR")
	}
	if !tagPattern.MatchString(b.stamp.version) {
		return fmt.Errorf("version %q cannot be the tag of an image", b.stamp.version)
	}
	images, err := selectSpecs(flags.Args())
	if err != nil {
		return err
	}
	if b.platforms, err = parsePlatforms(*platforms); err != nil {
		return err
	}
	if b.created, err = createdAt(getenv("SOURCE_DATE_EPOCH")); err != nil {
		return err
	}
	if b.roots, err = rootsVersion(); err != nil {
		return err
	}
	return b.build(ctx, images)
}

func runPush(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("images push", flag.ContinueOnError)
	dir := flags.String("from", "", "`folder` that images build left")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || flags.NArg() != 1 || flags.Arg(0) == "" {
		return errors.New("push needs -from DIR and one REGISTRY, such as registry.example/aksess")
	}
	return push(ctx, *dir, flags.Arg(0), out)
}

func parsePlatforms(list string) ([]v1.Platform, error) {
	var platforms []v1.Platform
	for text := range strings.SplitSeq(list, ",") {
		platform, err := v1.ParsePlatform(strings.TrimSpace(text))
		if err != nil || platform.OS != "linux" || platform.Architecture == "" {
			return nil, fmt.Errorf("platform %q is not of the form linux/ARCHITECTURE", text)
		}
		platforms = append(platforms, *platform)
	}
	return platforms, nil
}

// createdAt is the time of everything in the images
// (https://reproducible-builds.org/docs/source-date-epoch/).
func createdAt(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds", epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
