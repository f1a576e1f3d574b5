package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/inject"
)

// seen is what the sample application printed.
type seen struct {
	Settings reading `json:"settings"`
	Blobs    reading `json:"blobs"`
	Messages reading `json:"messages"`
}

// reading is one thing that the application read, or why it could not.
type reading struct {
	Data  any    `json:"data"`
	Error string `json:"error"`
}

// application runs the sample as its pod would: with the variables that the
// webhook injects, the projected token in a file and the settings of the ConfigMap.
type application struct {
	path    string   // of the program
	environ []string // of this machine, with the local Azure's proxy and trust
	dir     string
}

// prepare writes the ConfigMap's file.
func (a *application) prepare(s *scenario) error {
	objects, err := s.objects()
	if err != nil {
		return err
	}
	for _, object := range objects {
		for name, text := range object.Data {
			if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
				return err
			}
			a.environ = append(a.environ, "CH_WIDEMO_CONFIG="+filepath.Join(a.dir, name))
		}
	}
	return nil
}

// run runs the application once with the variables of a pod and its token.
func (a *application) run(ctx context.Context, variables []inject.EnvVar, token string) (seen, error) {
	file := filepath.Join(a.dir, "azure-identity-token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return seen{}, err
	}
	cmd := exec.CommandContext(ctx, a.path, "-once")
	cmd.Env = append([]string{}, a.environ...)
	for _, v := range variables {
		if v.Name == chain.EnvFederatedTokenFile {
			v.Value = file
		}
		cmd.Env = append(cmd.Env, v.Name+"="+v.Value)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return seen{}, fmt.Errorf("running the sample application: %w", err)
	}
	var s seen
	if err := json.Unmarshal(stdout.Bytes(), &s); err != nil {
		return s, fmt.Errorf("the sample application printed no report: %s", stderr.String())
	}
	return s, nil
}
