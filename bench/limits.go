package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of upstream's chart, and how much it is asked of within them.
const (
	limitMillis   = 100
	limitBytes    = 30 << 20
	limitRate     = 300 // reviews a second
	limitAccounts = 10_000
)

// limited measures webhooks within the limits of upstream's chart, with 10,000
// service accounts in the cluster.
func limited(ctx context.Context, o options) error {
	k, err := startKubernetes(ctx, o)
	if err != nil {
		if missing("admission within 100m CPU and 30 MiB", err) {
			return nil
		}
		return err
	}
	defer k.stop()
	if err := k.fill(ctx, limitAccounts); err != nil {
		return err
	}
	for _, c := range k.contenders() {
		what := "300 reviews a second within 100m CPU and 30 MiB, 10,000 service accounts, " + c.name
		if err := k.limit(ctx, o, c, what); err != nil && !missing(what, err) {
			row(what, "", "", "did not get through: "+strings.ReplaceAll(err.Error(), "\n", " "), "")
		}
	}
	return nil
}

func (k *kubernetes) limit(ctx context.Context, o options, c contender, what string) error {
	group, err := newCgroup(limitMillis, limitBytes)
	if err != nil {
		return err
	}
	defer group.remove()
	began := time.Now()
	w, err := c.start(ctx, o, group)
	if err != nil {
		return err
	}
	defer w.stop()
	ready := time.Since(began)
	client := w.client(32)
	var n atomic.Int64
	next := func() (*http.Request, error) { return w.review(fmt.Sprintf("service-account-%02d", n.Add(1)%20)) }
	if _, err := openLoop(ctx, client, limitRate, 3*time.Second, next); err != nil { // the connections
		return err
	}
	return w.hold(ctx, group, load{what: what, ready: ready, duration: cmp.Or(o.limits, max(5*o.time, 15*time.Second)), client: client, next: next})
}

// load is what a webhook is asked for within limits.
type load struct {
	what     string
	ready    time.Duration // how long it took to be
	duration time.Duration
	client   *http.Client
	next     func() (*http.Request, error)
}

// hold asks a webhook in a group for reviews, until the time is over or it has ended.
func (w *webhook) hold(ctx context.Context, group *cgroup, l load) error {
	held, periods := group.throttled()
	before, err := cpuTime(w.pid())
	if err != nil {
		return err
	}
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-w.ended:
			cancel()
		case <-alive.Done():
		}
	}()
	began := time.Now()
	r, err := openLoop(alive, l.client, limitRate, l.duration, l.next)
	heldAfter, periodsAfter := group.throttled()
	peak, kills := group.peak()
	if !w.alive() {
		return fmt.Errorf("it was ended after %s; %d kills by the kernel, peak %.1f MiB", time.Since(began).Round(time.Second), kills, float64(peak)/(1<<20))
	}
	if err != nil {
		return err
	}
	after, err := cpuTime(w.pid())
	if err != nil {
		return err
	}
	resident, err := residentMemory(w.pid())
	if err != nil {
		return err
	}
	most, err := peakMemory(w.pid())
	if err != nil {
		return err
	}
	row(l.what+", for "+l.duration.String(), fmt.Sprintf("p50 %s, p99 %s, %d of %d failed", short(r.p50), short(r.p99), r.failed, r.failed+r.requests),
		fmt.Sprintf("%.1f MiB resident, %.1f at most, %.1f MiB peak of the group, %d ended", float64(resident)/(1<<20), float64(most)/(1<<20), float64(peak)/(1<<20), kills),
		fmt.Sprintf("%.0f m CPU, held up in %d of %d periods; ready in %s", (after-before).Seconds()/r.wall.Seconds()*1000, heldAfter-held, periodsAfter-periods, l.ready.Round(time.Millisecond)),
		"p99 ≤ 50 ms, ≤ 30 MiB, none ended")
	return nil
}
