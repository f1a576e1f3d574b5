package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"
)

// crowd is how many connections never pause while a proxy's memory is measured.
const crowd = 200

// crowded measures the most memory that the proxies take with a crowd of clients,
// whose first requests have them fetch eight tokens at the same time. The kernel
// keeps a process' most only, so each round has one of its own.
func crowded(ctx context.Context, o options, sides []*proxySide) error {
	for range o.rounds {
		for _, side := range sides {
			if err := side.crowd(ctx, o); err != nil {
				return err
			}
		}
	}
	table := compared(sides)
	table(fmt.Sprintf("proxy: the most memory with %d connections that never pause and eight tokens fetched meanwhile", crowd), "≤ 12 MiB",
		func(p *proxySide) string {
			us := median(p.crowdCPU)
			return fmt.Sprintf("median %.1f, at most %.1f MiB; %.0f µs CPU, %.0f per core-second; p99 %s; %d failed",
				median(p.crowdPeak), slices.Max(p.crowdPeak), us, 1e6/us, short(percentile(p.crowdP99, 50)), p.crowdFailed)
		}, func(a, b *proxySide) float64 { return median(a.crowdPeak) / median(b.crowdPeak) })
	return nil
}

func (p *proxySide) crowd(ctx context.Context, o options) error {
	alone := &proxySide{path: p.path, environment: p.environment}
	if err := alone.start(ctx); err != nil {
		return err
	}
	defer alone.stop()
	var n atomic.Int64
	next := func() (*http.Request, error) { return alone.request(crowdResource(n.Add(1))) }
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: crowd, MaxConnsPerHost: crowd, DisableCompression: true}}
	defer client.CloseIdleConnections()
	r, err := drive(ctx, client, alone.cmd.Process.Pid, crowd, o.time, next)
	if err != nil {
		return err
	}
	peak, err := peakMemory(alone.cmd.Process.Pid)
	if err != nil {
		return err
	}
	p.crowdPeak = append(p.crowdPeak, float64(peak)/(1<<20))
	p.crowdCPU = append(p.crowdCPU, float64(r.perRequest().Nanoseconds())/1e3)
	p.crowdP99 = append(p.crowdP99, r.p99)
	p.crowdFailed += r.failed
	return nil
}

// crowdResource names one of eight resources in turn.
func crowdResource(n int64) string {
	resources := []string{
		"https://vault.azure.net", "https://storage.azure.com", "https://storage.azure.com/", "https://azconfig.io", "https://graph.microsoft.com",
		"https://management.azure.com", "https://management.azure.com/", "https://management.core.windows.net/",
	}
	return url.QueryEscape(resources[n%int64(len(resources))])
}
