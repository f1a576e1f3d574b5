package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// result of one measurement of a server.
type result struct {
	requests int
	failed   int
	wall     time.Duration
	cpu      time.Duration // of the server's process
	p50, p99 time.Duration
}

// perRequest is the server's own CPU time for one request.
func (r result) perRequest() time.Duration { return r.cpu / time.Duration(max(r.requests, 1)) }

// drive keeps conns requests under way for a time, or until next returns nil,
// and reports what the server's process spent on them.
func drive(ctx context.Context, client *http.Client, pid, conns int, duration time.Duration, next func() (*http.Request, error)) (result, error) {
	before, err := cpuTime(pid)
	if err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	var failed atomic.Int64
	latencies := make([][]time.Duration, conns)
	start := time.Now()
	var workers sync.WaitGroup
	for i := range conns {
		workers.Go(func() {
			for ctx.Err() == nil {
				request, err := next()
				if err != nil || request == nil {
					return
				}
				sent := time.Now()
				response, err := client.Do(request)
				if err != nil {
					failed.Add(1)
					continue
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if response.StatusCode != http.StatusOK {
					failed.Add(1)
					continue
				}
				latencies[i] = append(latencies[i], time.Since(sent))
			}
		})
	}
	workers.Wait()
	r := result{wall: time.Since(start), failed: int(failed.Load())}
	after, err := cpuTime(pid)
	if err != nil {
		return r, err
	}
	r.cpu = after - before
	all := slices.Concat(latencies...)
	slices.Sort(all)
	if r.requests = len(all); r.requests == 0 {
		return r, fmt.Errorf("no request succeeded, %d failed", r.failed)
	}
	r.p50, r.p99 = all[len(all)/2], all[len(all)*99/100]
	return r, nil
}

// cpuTime is a process's user and system time (proc(5), /proc/PID/stat, fields 14 and 15).
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, err // USER_HZ is 100 on every Linux architecture
}

// residentMemory is what a process has in memory, in bytes.
func residentMemory(pid int) (int64, error) { return statusBytes(pid, "VmRSS:") }

// peakMemory is the most that it has had (proc(5), /proc/PID/status).
func peakMemory(pid int) (int64, error) { return statusBytes(pid, "VmHWM:") }

func statusBytes(pid int, field string) (int64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, field); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, field)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func percentile(values []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}
