package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/cluster/driver"
)

// Options configures the driver. Dir and Now are required.
type Options struct {
	Dir    string // each cluster has a folder in it
	BinDir string // folder of the programs; "" looks for them on PATH. etcd may be on PATH in either case
	Now    func() time.Time
	Log    *slog.Logger // nil: discards
}

// Driver runs control planes. It is safe for concurrent use. Close it.
type Driver struct {
	options  Options
	programs programs
	ctx      context.Context // ends with Close: starts under way give up
	cancel   context.CancelFunc

	mu        sync.Mutex
	closed    bool
	instances map[string]*instance // by cluster id
}

// programs are the paths of what is run.
type programs struct {
	etcd, apiServer, controllers string
	scheduler                    string // "" runs without one: pods stay pending
}

// New looks for the programs. The error names all that are missing and how to
// get them.
func New(o Options) (*Driver, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	found, err := find(o.BinDir)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir) // the programs have working folders of their own
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	d := &Driver{options: o, programs: found, instances: map[string]*instance{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

func find(binDir string) (programs, error) {
	p := programs{
		etcd: look(binDir, "etcd"), apiServer: look(binDir, "kube-apiserver"),
		controllers: look(binDir, "kube-controller-manager"), scheduler: look(binDir, "kube-scheduler"),
	}
	if p.etcd == "" {
		p.etcd = look("", "etcd")
	}
	return p, p.missing(binDir)
}

// look returns the path of a program, "" when it is not there.
func look(dir, name string) string {
	if dir != "" {
		name = filepath.Join(dir, name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	if path, err = filepath.Abs(path); err != nil {
		return ""
	}
	return path
}

// missing names the programs that were not found.
func (p programs) missing(binDir string) error {
	where := "on PATH"
	if binDir != "" {
		where = "in " + binDir
	}
	var lacks []error
	for _, one := range []struct{ path, name, how string }{
		{p.etcd, "etcd", "install the package etcd-server, or etcd 3.4 or newer, so that it is on PATH"},
		{p.apiServer, "kube-apiserver", "build it with tools/kubernetes/build, which prints the folder"},
		{p.controllers, "kube-controller-manager", "build it with tools/kubernetes/build, which prints the folder"},
	} {
		if one.path == "" {
			lacks = append(lacks, fmt.Errorf("no %s %s: %s", one.name, where, one.how))
		}
	}
	return errors.Join(lacks...)
}

// Issuer is "": the clusters' tokens are of the issuers in their specs.
func (d *Driver) Issuer() string { return "" }

// Start brings a cluster up, and returns when it is ready for requests. One that
// runs is left as it is unless its keys or flags changed: then its programs are
// started again with them.
func (d *Driver) Start(ctx context.Context, spec driver.Spec) error {
	in, err := d.instance(spec.ID)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	return in.start(ctx, spec)
}

// Stop ends a cluster's programs and keeps its data. Stopping one that does not
// run is no error.
func (d *Driver) Stop(ctx context.Context, id string) error {
	in, err := d.instance(id)
	if err != nil {
		return err
	}
	return in.stop(ctx, false)
}

// Delete ends a cluster's programs and removes its folder. Deleting one that is
// not there is no error.
func (d *Driver) Delete(ctx context.Context, id string) error {
	in, err := d.instance(id)
	if err != nil {
		return err
	}
	return in.stop(ctx, true)
}

// Kubeconfig makes a kubeconfig with a client certificate. A user's certificate
// stays the same until it is about to end. The cluster need not run.
func (d *Driver) Kubeconfig(ctx context.Context, spec driver.Spec, user driver.User) ([]byte, error) {
	in, err := d.instance(spec.ID)
	if err != nil {
		return nil, err
	}
	in.files.Lock()
	defer in.files.Unlock()
	p, err := in.plan(spec)
	if err != nil {
		return nil, err
	}
	text, err := in.folder.kubeconfig(p, user)
	if err != nil {
		return nil, fmt.Errorf("making a kubeconfig of cluster %q: %w", spec.Name, err)
	}
	return text, nil
}

// Close ends all clusters and waits for that. Starts under way fail.
func (d *Driver) Close() error {
	d.mu.Lock()
	d.closed = true
	var all []*instance
	for _, in := range d.instances {
		all = append(all, in)
	}
	d.mu.Unlock()
	d.cancel()
	var wait sync.WaitGroup
	for _, in := range all {
		wait.Go(func() { _ = in.stop(context.Background(), false) }) // fails only with its context
	}
	wait.Wait()
	return nil
}

func (d *Driver) instance(id string) (*instance, error) {
	if !chain.IsGUID(id) { // it becomes the name of a folder
		return nil, fmt.Errorf("the cluster's id %q is not a GUID", id)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	in := d.instances[id]
	if in == nil {
		in = newInstance(folder{dir: filepath.Join(d.options.Dir, id), now: d.options.Now}, d.programs, d.options.Log.With("cluster", id))
		d.instances[id] = in
	}
	return in, nil
}
