package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// images prints what a node pulls for each image, as `make images` has listed
// it. Without that list it says so: building for two architectures takes longer
// than all the rest.
func images(o options) error {
	raw, err := os.ReadFile(filepath.Join(o.bin, "images", "images.json"))
	if errors.Is(err, fs.ErrNotExist) {
		row("images", "not built: make images", "", "", "")
		return nil
	}
	if err != nil {
		return err
	}
	var list []struct {
		Name      string `json:"name"`
		Platforms []struct {
			Platform   string `json:"platform"`
			Compressed int64  `json:"compressed"`
		} `json:"platforms"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("reading the list of images: %w", err)
	}
	for _, image := range list {
		for _, on := range image.Platforms {
			row("image "+image.Name+", "+on.Platform+", compressed", fmt.Sprintf("%.1f MB", float64(on.Compressed)/1e6), "", "", "")
		}
	}
	return nil
}
