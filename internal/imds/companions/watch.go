package companions

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"
)

// Config of a watch.
type Config struct {
	Names    []string // of the containers to wait for, each once; at least one
	Restarts bool     // the kubelet starts those that fail again: restartPolicy OnFailure

	Log *slog.Logger // required

	proc  string                                     // "/proc" when empty
	hosts string                                     // hostsFile when empty
	self  int                                        // the process's own id when 0
	now   func() time.Time                           // time.Now when nil
	pause func(context.Context, time.Duration) error // sleeps when nil
}

// Pauses between two looks. A container that ends at once is there for some 20
// ms, from when the runtime has made its mounts until its program has ended.
const (
	closely = 2 * time.Millisecond   // while the kubelet starts one
	soon    = 25 * time.Millisecond  // while one may start, which the kubelet announces 50 ms before or earlier
	later   = 250 * time.Millisecond // while those that are there have to end
)

// toCreate is how long a container may take from when the kubelet has announced
// it by the hosts file until its program runs.
const toCreate = 10 * time.Second

// errNotShared says that the pod's containers do not share their process namespace.
var errNotShared = errors.New("the containers of the pod do not share their process namespace (shareProcessNamespace)")

// Wait returns when the named containers have ended, each after it has been seen,
// and says why in the log. With Restarts it waits as long as the kubelet may take
// to start one again. It returns the context's error when that is done first.
// Where containers cannot be told from each other it warns and waits for the
// context: no container may lose the proxy because of what is not known.
func Wait(ctx context.Context, config Config) error {
	w := config.watch()
	err := w.run(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	config.Log.Warn("the proxy does not end with the other containers", "containers", config.Names, "error", err.Error())
	<-ctx.Done()
	return ctx.Err()
}

func (c Config) watch() *watch {
	if c.proc == "" {
		c.proc = "/proc"
	}
	if c.hosts == "" {
		c.hosts = hostsFile
	}
	if c.self == 0 {
		c.self = os.Getpid()
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.pause == nil {
		c.pause = newPause()
	}
	return &watch{Config: c, decision: newDecision(c.Names, c.Restarts)}
}

type watch struct {
	Config
	decision *decision
	told     time.Time // when the kubelet last announced a container
}

// run looks until it is over.
func (w *watch) run(ctx context.Context) error {
	if w.self == 1 {
		return errNotShared
	}
	processes, err := openProcesses(w.proc, w.self)
	if err != nil {
		return err
	}
	defer processes.close()
	announced, err := openHosts(w.hosts)
	if err != nil { // its user has too many, for instance
		w.Log.Warn("a container that ends at once may be missed", "error", err.Error())
	}
	defer announced.close()
	for {
		running, unknown, err := processes.look()
		if err != nil {
			return err
		}
		now := w.now()
		if why := w.decision.look(now, running, unknown); why != "" {
			w.Log.Info("the proxy ends: "+why, "containers", w.Names, "unseen", w.decision.unseen())
			return nil
		}
		if announced.written() {
			w.told = now
		}
		if err := w.pause(ctx, w.interval(now)); err != nil {
			return err
		}
	}
}

func (w *watch) interval(now time.Time) time.Duration {
	switch {
	case !w.decision.changes(now):
		return later
	case now.Sub(w.told) < toCreate:
		return closely
	}
	return soon
}

// newPause returns a sleep that makes no garbage.
func newPause() func(context.Context, time.Duration) error {
	timer := time.NewTimer(0)
	<-timer.C
	return func(ctx context.Context, d time.Duration) error {
		timer.Reset(d)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	}
}
