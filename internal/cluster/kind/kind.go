// Package kind runs clusters in containers with the programs kind and docker
// (https://kind.sigs.k8s.io). The cluster signs service account tokens as the
// issuer that it is given, with that issuer's key. It owns the two programs'
// command lines; control planes without containers are controlplane's.
package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/cluster/driver"
)

// Driver runs clusters with kind. It is safe for concurrent use.
type Driver struct {
	dir  string // each cluster has a folder in it
	kind string // the program
	turn sync.Mutex
}

// New looks for the programs. Both have to be on PATH.
func New(dir string) (*Driver, error) {
	for _, program := range []struct{ name, how string }{
		{"kind", "install it from https://kind.sigs.k8s.io"}, {"docker", "kind runs its nodes in it"},
	} {
		if _, err := exec.LookPath(program.name); err != nil {
			return nil, fmt.Errorf("no %s on PATH: %s", program.name, program.how)
		}
	}
	dir, err := filepath.Abs(dir) // docker mounts files from it
	if err != nil {
		return nil, err
	}
	return &Driver{dir: dir, kind: "kind"}, nil
}

// clusterName is the cluster's name in kind, which names containers and networks.
func clusterName(id string) string { return "aksess-" + id }

// config is kind's configuration of a cluster whose signing key is in a folder
// (https://kind.sigs.k8s.io/docs/user/configuration/). kubeadm takes a key pair
// that lies where it would make one, for the API server and the controllers.
func config(spec driver.Spec, dir string) ([]byte, error) {
	type object = map[string]any
	patch, err := json.Marshal(object{
		"kind": "ClusterConfiguration",
		"apiServer": object{"extraArgs": object{
			"service-account-issuer":               spec.IssuerURL,
			"service-account-jwks-uri":             spec.IssuerURL + "openid/v1/jwks",
			"service-account-max-token-expiration": "24h",
		}},
	})
	if err != nil {
		return nil, err
	}
	mount := func(name string) object {
		return object{"hostPath": filepath.Join(dir, name), "containerPath": "/etc/kubernetes/pki/" + name, "readOnly": true}
	}
	return json.MarshalIndent(object{
		"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "name": clusterName(spec.ID),
		"nodes": []object{{
			"role": "control-plane", "extraMounts": []object{mount("sa.key"), mount("sa.pub")}, "kubeadmConfigPatches": []string{string(patch)},
		}},
	}, "", "  ")
}

// createArgs is the command line that makes a cluster and waits for its nodes.
func createArgs(id, dir string) []string {
	return []string{
		"create", "cluster", "--name", clusterName(id), "--config", filepath.Join(dir, "kind.json"),
		"--kubeconfig", filepath.Join(dir, "kubeconfig"), "--wait", "3m",
	}
}

// Issuer is "": the clusters' tokens are of the issuers in their specs.
func (d *Driver) Issuer() string { return "" }

// Start makes the cluster, or starts the container of one that was made before.
// A changed signing key does not reach a cluster that exists.
func (d *Driver) Start(ctx context.Context, spec driver.Spec) error {
	dir, err := d.folder(spec.ID)
	if err != nil {
		return err
	}
	d.turn.Lock()
	defer d.turn.Unlock()
	names, err := d.run(ctx, "get", "clusters")
	if err != nil {
		return err
	}
	if slices.Contains(strings.Fields(string(names)), clusterName(spec.ID)) {
		_, err := output(ctx, "docker", "start", clusterName(spec.ID)+"-control-plane")
		return err
	}
	text, err := config(spec, dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of cluster %q: %w", spec.Name, err)
	}
	for name, content := range map[string][]byte{"sa.key": spec.SigningKey, "sa.pub": spec.PublicKeys, "kind.json": text} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return fmt.Errorf("writing the configuration of cluster %q: %w", spec.Name, err)
		}
	}
	_, err = d.run(ctx, createArgs(spec.ID, dir)...)
	return err
}

// Stop stops the cluster's container and keeps it.
func (d *Driver) Stop(ctx context.Context, id string) error {
	if _, err := d.folder(id); err != nil {
		return err
	}
	_, err := output(ctx, "docker", "stop", clusterName(id)+"-control-plane")
	return err
}

// Delete removes the cluster and its folder. kind takes the delete of a cluster
// that is not there for done.
func (d *Driver) Delete(ctx context.Context, id string) error {
	dir, err := d.folder(id)
	if err != nil {
		return err
	}
	d.turn.Lock()
	defer d.turn.Unlock()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := d.run(ctx, "delete", "cluster", "--name", clusterName(id), "--kubeconfig", filepath.Join(dir, "kubeconfig")); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// Kubeconfig is the administrator's; for others it is
// driver.ErrNotAdministrator, since kind has no other.
func (d *Driver) Kubeconfig(ctx context.Context, spec driver.Spec, user driver.User) ([]byte, error) {
	if !spec.Administers(user) {
		return nil, driver.ErrNotAdministrator
	}
	if _, err := d.folder(spec.ID); err != nil {
		return nil, err
	}
	return d.run(ctx, "get", "kubeconfig", "--name", clusterName(spec.ID))
}

// Close leaves the clusters as they are: their containers outlive programs.
func (d *Driver) Close() error { return nil }

func (d *Driver) folder(id string) (string, error) {
	if !chain.IsGUID(id) { // it becomes the name of a folder and a container
		return "", fmt.Errorf("the cluster's id %q is not a GUID", id)
	}
	return filepath.Join(d.dir, id), nil
}

func (d *Driver) run(ctx context.Context, args ...string) ([]byte, error) {
	return output(ctx, d.kind, args...)
}

// output runs a program; its error has the last line that it printed.
func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	var out, failure bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the arguments are made here, of GUIDs and folders
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(failure.String()), "\n")
		return nil, fmt.Errorf("%s %s: %w: %.300s", program, strings.Join(args[:min(2, len(args))], " "), err, lines[len(lines)-1])
	}
	return out.Bytes(), nil
}
