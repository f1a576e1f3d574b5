package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aksess/aksess/internal/cluster/driver"
)

const (
	readyLimit = 4 * time.Minute // about 5 s on an idle machine
	readyPause = 100 * time.Millisecond
	// hopeless is how often a program may end before the cluster was ready.
	hopeless = 3

	graceAPIServer = 15 * time.Second
	graceEtcd      = 10 * time.Second

	administrator = "aksess"
)

var errClosed = errors.New("the local Azure is stopping")

// instance is one cluster. turn holds a token while nobody starts or stops it.
type instance struct {
	folder   folder
	programs programs
	log      *slog.Logger
	turn     chan struct{}
	files    sync.Mutex // guards the folder against two that make the same file

	ending    atomic.Int32 // how many wait to stop or delete it: a start under way gives up
	deleted   bool
	interrupt atomic.Pointer[context.CancelFunc] // of the start under way

	running *driver.Spec // what the children were started for; nil when there are none
	etcd    *child
	kube    []*child // API server first
	api     *api
}

func newInstance(f folder, p programs, log *slog.Logger) *instance {
	in := &instance{folder: f, programs: p, log: log, turn: make(chan struct{}, 1)}
	in.turn <- struct{}{}
	return in
}

func (in *instance) lock(ctx context.Context) error {
	select {
	case <-in.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (in *instance) unlock() { in.turn <- struct{}{} }

// start brings the cluster up as the spec says, and returns when it is ready. A
// cluster that runs so already is left alone; one whose keys or flags are others
// is started again with the same data.
func (in *instance) start(ctx context.Context, spec driver.Spec) error {
	if err := in.lock(ctx); err != nil {
		return err
	}
	defer in.unlock()
	if in.deleted {
		return fmt.Errorf("cluster %q was deleted", spec.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	in.interrupt.Store(&cancel)
	defer in.interrupt.Store(nil)
	if in.ending.Load() > 0 {
		cancel()
	}
	if in.running != nil && !same(*in.running, spec) {
		in.halt()
	}
	began := in.running == nil
	err := in.launch(spec)
	if err == nil {
		err = in.wait(ctx)
	}
	if err != nil {
		if began { // one that ran before is in the hands of its supervisors
			in.halt()
		}
		return err
	}
	return in.api.bindAdmins(ctx, spec.AdminGroups)
}

// same reports that the programs would be started in the same way.
func same(a, b driver.Spec) bool {
	a.AdminGroups, b.AdminGroups = nil, nil
	return reflect.DeepEqual(a, b)
}

// launch starts the programs unless they run.
func (in *instance) launch(spec driver.Spec) error {
	if in.running != nil {
		return nil
	}
	p, err := in.prepare(spec)
	if err != nil {
		return err
	}
	if !free(p.port) {
		return fmt.Errorf("another program listens on port %d, which the kubeconfigs of cluster %q name; end it", p.port, spec.Name)
	}
	in.running = &spec
	env := []string{"HOME=" + p.dir}
	// etcd wants to be told on platforms that its authors do not test on.
	in.etcd = startChild(program{"etcd", in.programs.etcd, p.etcdFlags(), append(slices.Clone(env), "ETCD_UNSUPPORTED_ARCH="+runtime.GOARCH)}, p.dir, in.log)
	in.kube = []*child{
		startChild(program{"kube-apiserver", in.programs.apiServer, p.apiServerFlags(), env}, p.dir, in.log),
		startChild(program{"kube-controller-manager", in.programs.controllers, p.controllerFlags(), env}, p.dir, in.log),
	}
	if in.programs.scheduler != "" {
		in.kube = append(in.kube, startChild(program{"kube-scheduler", in.programs.scheduler, p.schedulerFlags(), env}, p.dir, in.log))
	}
	return nil
}

// prepare writes what the programs read.
func (in *instance) prepare(spec driver.Spec) (plan, error) {
	in.files.Lock()
	defer in.files.Unlock()
	p, err := in.plan(spec)
	if err != nil {
		return p, err
	}
	if p.etcdPort, err = freePort(); err != nil {
		return p, err
	}
	if err := in.folder.write(p); err != nil {
		return p, fmt.Errorf("writing the certificates of cluster %q: %w", spec.Name, err)
	}
	in.api, err = in.administrator(p)
	return p, err
}

// plan is the cluster's, without the port of etcd, which only a running one has.
func (in *instance) plan(spec driver.Spec) (plan, error) {
	port, err := in.folder.port()
	if err != nil {
		return plan{}, fmt.Errorf("choosing the port of cluster %q: %w", spec.Name, err)
	}
	return plan{dir: in.folder.dir, spec: spec, port: port}, nil
}

func (in *instance) administrator(p plan) (*api, error) {
	ca, err := in.folder.authority()
	if err != nil {
		return nil, err
	}
	client, err := in.folder.client(administrator, []string{driver.SystemMasters}, ca)
	if err != nil {
		return nil, err
	}
	return newAPI(p.address(), ca.cert, client)
}

// wait returns when the cluster is ready, or cannot become so.
func (in *instance) wait(ctx context.Context) error {
	ticker := time.NewTicker(readyPause)
	defer ticker.Stop()
	for {
		err := in.api.ready(ctx)
		if err == nil {
			return nil
		}
		for _, c := range append([]*child{in.etcd}, in.kube...) {
			if failed := c.failure(hopeless); failed != nil {
				return failed
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cluster %q is not ready: %w; last seen: %w", in.running.Name, ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// stop ends the programs, and a start under way. What they stored stays, unless
// the cluster is deleted.
func (in *instance) stop(ctx context.Context, remove bool) error {
	in.ending.Add(1)
	defer in.ending.Add(-1)
	if cancel := in.interrupt.Load(); cancel != nil {
		(*cancel)()
	}
	if err := in.lock(ctx); err != nil {
		return err
	}
	defer in.unlock()
	in.halt()
	if !remove {
		return nil
	}
	in.deleted = true
	if err := os.RemoveAll(in.folder.dir); err != nil {
		return fmt.Errorf("removing the folder of a cluster: %w", err)
	}
	return nil
}

// halt ends the API server and its clients first, so that nothing writes when
// etcd ends.
func (in *instance) halt() {
	ended := make(chan struct{})
	for _, c := range in.kube {
		go func() {
			c.end(graceAPIServer)
			ended <- struct{}{}
		}()
	}
	for range in.kube {
		<-ended
	}
	if in.etcd != nil {
		in.etcd.end(graceEtcd)
	}
	if in.api != nil {
		in.api.close()
	}
	in.running, in.etcd, in.kube, in.api = nil, nil, nil, nil
}
