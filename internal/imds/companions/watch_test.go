//go:build linux

package companions

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// script moves the clock instead of sleeping, and has one thing happen at each pause.
type script struct {
	now    time.Time
	events []func()
	pauses []time.Duration
	giveUp func()
}

func (s *script) pause(ctx context.Context, d time.Duration) error {
	s.now = s.now.Add(d)
	if s.pauses = append(s.pauses, d); len(s.pauses) > 100_000 {
		s.giveUp()
	}
	if len(s.events) > 0 {
		s.events[0]()
		s.events = s.events[1:]
	}
	return ctx.Err()
}

// wait runs a watch of containers main and other through the script.
func wait(ctx context.Context, fs procfs, s *script, restarts bool) (string, error) {
	ctx, s.giveUp = context.WithCancel(ctx)
	defer s.giveUp()
	var log bytes.Buffer
	err := Wait(ctx, Config{
		Names: []string{"main", "other"}, Restarts: restarts, Log: slog.New(slog.NewTextHandler(&log, nil)),
		proc: fs.path, hosts: fs.hosts(), self: 7, now: func() time.Time { return s.now }, pause: s.pause,
	})
	return log.String(), err
}

func TestWait(t *testing.T) {
	fs := newProcfs(t)
	s := &script{now: time.Now(), events: []func(){
		func() { fs.add(20, "0", "main", "main/01") },
		func() { fs.remove(20) },
		func() { fs.add(21, "0", "other", "other/01") },
		func() {},
		func() { fs.remove(21) },
	}}
	log, err := wait(t.Context(), fs, s, false)
	if err != nil || strings.Count(log, "\n") != 1 || !strings.Contains(log, `"the proxy ends: all other containers have ended"`) {
		t.Errorf("got %v and log %s", err, log)
	}
	if len(s.pauses) != 5 || s.pauses[2] != soon || s.pauses[3] != later {
		t.Errorf("got pauses %v, want short ones until both have been seen", s.pauses)
	}
}

// TestWaitAnnounced: after the kubelet has written the hosts file it looks closely.
func TestWaitAnnounced(t *testing.T) {
	fs := newProcfs(t)
	write := func() {
		if err := os.WriteFile(fs.hosts(), []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
			t.Error(err)
		}
	}
	s := &script{now: time.Now(), events: []func(){
		func() {},
		write,
		func() {},
		func() { fs.add(20, "0", "main", "main/01"); fs.add(21, "0", "other", "other/01") },
		func() { fs.remove(20); fs.remove(21) },
	}}
	if _, err := wait(t.Context(), fs, s, false); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{soon, soon, closely, closely, later}; !slices.Equal(s.pauses, want) {
		t.Errorf("got pauses %v, want %v", s.pauses, want)
	}
	w := Config{Names: []string{"main"}, now: func() time.Time { return s.now }}.watch()
	if w.told = s.now.Add(-toCreate); w.interval(s.now) != soon {
		t.Errorf("long after: got %s, want %s", w.interval(s.now), soon)
	}
}

func TestWaitRestarts(t *testing.T) {
	fs := newProcfs(t)
	begin := time.Now()
	s := &script{now: begin, events: []func(){
		func() { fs.add(20, "0", "main", "main/01"); fs.add(21, "0", "other", "other/01") },
		func() { fs.remove(20); fs.remove(21) },
	}}
	log, err := wait(t.Context(), fs, s, true)
	if got := s.now.Sub(begin); err != nil || got < toStart || got > toStart+time.Second || !strings.Contains(log, "all other containers have ended") {
		t.Errorf("got %v after %s and log %s, want an end after 30s", err, got, log)
	}
	if last := s.pauses[len(s.pauses)-1]; last != soon {
		t.Errorf("got pause %s, want %s: no start may be missed", last, soon)
	}
}

// TestWaitWithoutKnowing: a proxy that cannot see the others serves on.
func TestWaitWithoutKnowing(t *testing.T) {
	for name, test := range map[string]struct {
		self int
		want string
	}{"not_shared": {1, "do not share their process namespace"}, "no_mount": {8, "pods/UID/containers/NAME"}} {
		t.Run(name, func(t *testing.T) {
			fs := newProcfs(t)
			fs.add(8, "0", "proxy", "")
			ctx, cancel := context.WithCancel(t.Context())
			var log warned
			ended := make(chan error, 1)
			log.on = cancel
			go func() {
				ended <- Wait(ctx, Config{Names: []string{"main"}, Log: slog.New(slog.NewTextHandler(&log, nil)), proc: fs.path, self: test.self})
			}()
			if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(log.String(), test.want) {
				t.Errorf("got %v and log %s", err, &log)
			}
		})
	}
}

// warned is a log that calls on when something is in it.
type warned struct {
	bytes.Buffer
	on func()
}

func (w *warned) Write(text []byte) (int, error) {
	defer w.on()
	return w.Buffer.Write(text)
}

// TestWaitWithoutHosts: it goes without being told.
func TestWaitWithoutHosts(t *testing.T) {
	fs := newProcfs(t)
	if err := os.Remove(fs.hosts()); err != nil {
		t.Fatal(err)
	}
	s := &script{now: time.Now(), events: []func(){
		func() { fs.add(20, "0", "main", "main/01"); fs.add(21, "0", "other", "other/01") },
		func() { fs.remove(20); fs.remove(21) },
	}}
	log, err := wait(t.Context(), fs, s, false)
	if err != nil || !strings.Contains(log, "may be missed") || s.pauses[0] != soon {
		t.Errorf("got %v, pauses %v and log %s", err, s.pauses, log)
	}
}

// TestWaitEnds: with the context, while it pauses in earnest.
func TestWaitEnds(t *testing.T) {
	fs := newProcfs(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Wait(ctx, Config{Names: []string{"main"}, Log: slog.New(slog.DiscardHandler), proc: fs.path, self: 7})
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}
