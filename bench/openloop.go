package main

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// openLoop sends requests at a steady rate, whether or not those before have
// been answered, and measures each from the time it was due. A server that is
// held up so cannot hide it by not being asked.
func openLoop(ctx context.Context, client *http.Client, rate int, duration time.Duration, next func() (*http.Request, error)) (result, error) {
	total := int(duration.Seconds() * float64(rate))
	interval := time.Second / time.Duration(rate)
	var mu sync.Mutex
	var r result
	took := make([]time.Duration, 0, total)
	var underWay sync.WaitGroup
	start := time.Now()
	for i := range total {
		due := start.Add(time.Duration(i) * interval)
		if err := waitUntil(ctx, due); err != nil {
			return r, err
		}
		request, err := next()
		if err != nil {
			return r, err
		}
		underWay.Go(func() {
			ok := send(client, request)
			mu.Lock()
			defer mu.Unlock()
			if !ok {
				r.failed++
				return
			}
			took = append(took, time.Since(due))
		})
	}
	underWay.Wait()
	r.wall, r.requests = time.Since(start), len(took)
	if slices.Sort(took); len(took) > 0 {
		r.p50, r.p99 = took[len(took)/2], took[len(took)*99/100]
	}
	return r, nil
}

func waitUntil(ctx context.Context, due time.Time) error {
	pause := time.Until(due)
	if pause <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func send(client *http.Client, request *http.Request) bool {
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode < 300
}
