package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pace is what the open loop sends in a second.
const pace = 1000

// proxySide is one of the two proxies that are measured in turn.
type proxySide struct {
	path        string
	environment []string

	cmd           *exec.Cmd
	url           string
	ready         []time.Duration
	resting, busy int64 // bytes resident, then and at most
	closed        []float64
	open          []time.Duration
	failed        int

	crowdPeak   []float64 // MiB
	crowdCPU    []float64 // µs for a token
	crowdP99    []time.Duration
	crowdFailed int
}

// proxies measures the proxy beside a pod's containers, in turn with upstream's
// if there is one: both get their tokens from the same local Azure.
func proxies(ctx context.Context, o options) error {
	a, err := start(ctx, o, "--ephemeral")
	if err != nil {
		return err
	}
	defer a.stop()
	dir, err := os.MkdirTemp("", "aksess-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	environment, err := a.podEnvironment(ctx, dir)
	if err != nil {
		return err
	}
	sides := []*proxySide{{path: filepath.Join(o.bin, "aksess-proxy"), environment: append(slices.Clone(environment), "GOMAXPROCS=1")}} // as its image sets it
	if o.upstreamProxy != "" {
		sides = append(sides, &proxySide{path: o.upstreamProxy, environment: environment})
	} else {
		fmt.Fprintln(os.Stderr, "bench: no -upstream-proxy, so the proxy has nothing beside it")
	}
	for _, side := range sides {
		for range o.starts {
			if err := side.start(ctx); err != nil {
				return err
			}
			side.stop()
		}
	}
	for _, side := range sides {
		if err := side.start(ctx); err != nil {
			return err
		}
		defer side.stop()
		if side.resting, err = residentMemory(side.cmd.Process.Pid); err != nil {
			return err
		}
	}
	for range o.rounds {
		for _, side := range sides {
			if err := side.measure(ctx, o); err != nil {
				return err
			}
		}
	}
	if err := printProxies(sides); err != nil {
		return err
	}
	return crowded(ctx, o, sides)
}

// podEnvironment is what a pod's proxy gets from the webhook, with a token of the
// workload's service account in a file of the folder. As in the images, the public
// authorities are in one file; all of it is read for the first token.
func (a *azure) podEnvironment(ctx context.Context, dir string) ([]string, error) {
	w, err := a.workload(ctx)
	if err != nil {
		return nil, err
	}
	assertion, err := a.assertion(ctx, w)
	if err != nil {
		return nil, err
	}
	roots, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt") // where Debian has Mozilla's, and the images
	if err != nil {
		return nil, err
	}
	file, authorities := filepath.Join(dir, "azure-identity-token"), filepath.Join(dir, "certs")
	return []string{
			"AZURE_TENANT_ID=" + a.TenantID, "AZURE_CLIENT_ID=" + w.clientID, "AZURE_FEDERATED_TOKEN_FILE=" + file,
			"AZURE_AUTHORITY_HOST=https://login.microsoftonline.com/", "HTTPS_PROXY=http://" + a.address, "SSL_CERT_FILE=" + a.CAFile, "SSL_CERT_DIR=" + authorities,
		}, errors.Join(os.Mkdir(authorities, 0o700), os.WriteFile(filepath.Join(authorities, "ca-certificates.crt"), roots, 0o600),
			os.WriteFile(file, []byte(assertion), 0o600))
}

// start starts the proxy and notes how long it takes to be ready.
func (p *proxySide) start(ctx context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	p.url = "http://127.0.0.1:" + port
	p.cmd = exec.CommandContext(ctx, p.path, "--proxy-port="+port)
	p.cmd.Env = p.environment
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	for time.Since(began) < 30*time.Second {
		response, err := client.Get(p.url + "/readyz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				p.ready = append(p.ready, time.Since(began))
				return nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	p.stop()
	return fmt.Errorf("%s is not ready within 30 s", p.path)
}

func (p *proxySide) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// vaultRequest asks for a token that the proxy has, from the second time on.
func (p *proxySide) vaultRequest() (*http.Request, error) {
	return p.request("https%3A%2F%2Fvault.azure.net")
}

// request asks for a token for a resource, which is escaped.
func (p *proxySide) request(resource string) (*http.Request, error) {
	request, err := http.NewRequest(http.MethodGet, p.url+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource="+resource, nil)
	if err == nil {
		request.Header.Set("Metadata", "true")
	}
	return request, err
}

// measure is one round: a closed loop for the CPU, an open one for the latency.
func (p *proxySide) measure(ctx context.Context, o options) error {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	if request, err := p.vaultRequest(); err != nil {
		return err
	} else if err := fetch(client, request); err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}
	closed, err := drive(ctx, client, p.cmd.Process.Pid, o.conns, o.time, p.vaultRequest)
	if err != nil {
		return err
	}
	p.closed = append(p.closed, float64(closed.perRequest().Nanoseconds())/1e3)
	latencies, failed := p.paced(ctx, client, o.time)
	p.open = append(p.open, latencies...)
	p.failed += closed.failed + failed
	p.busy, err = peakMemory(p.cmd.Process.Pid)
	return err
}

// paced sends requests at their time, whatever became of those before, and
// measures from that time.
func (p *proxySide) paced(ctx context.Context, client *http.Client, duration time.Duration) ([]time.Duration, int) {
	n := int(duration.Seconds() * pace)
	latencies := make([]time.Duration, n)
	var failed atomic.Int64
	var sent sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / pace)
		time.Sleep(time.Until(due))
		if ctx.Err() != nil {
			break
		}
		sent.Go(func() {
			request, err := p.vaultRequest()
			if err != nil || fetch(client, request) != nil {
				failed.Add(1)
			}
			latencies[i] = time.Since(due)
		})
	}
	sent.Wait()
	return latencies, int(failed.Load())
}

// fetch reads an answer; it is an error unless it is 200.
func fetch(client *http.Client, request *http.Request) error {
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("got %d %s: %w", response.StatusCode, text, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// compared returns a function that prints a row of ours and, if it is there,
// upstream's.
func compared(sides []*proxySide) func(what, target string, cell func(*proxySide) string, ratio func(ours, theirs *proxySide) float64) {
	return func(what, target string, cell func(*proxySide) string, ratio func(ours, theirs *proxySide) float64) {
		against, times := "", ""
		if len(sides) > 1 {
			against = "upstream " + cell(sides[1])
			times = fmt.Sprintf("%.2f ×", ratio(sides[0], sides[1]))
		}
		row(what, cell(sides[0]), against, times, target)
	}
}

func printProxies(sides []*proxySide) error {
	table := compared(sides)
	sizes := map[*proxySide]float64{}
	for _, side := range sides {
		info, err := os.Stat(side.path)
		if err != nil {
			return err
		}
		sizes[side] = float64(info.Size()) / 1e6
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	table("proxy: size of the program", "≤ 8 MB", func(p *proxySide) string { return fmt.Sprintf("%.1f MB", sizes[p]) },
		func(a, b *proxySide) float64 { return sizes[a] / sizes[b] })
	table("proxy: start to ready", "≤ 50 ms", func(p *proxySide) string {
		return fmt.Sprintf("median %.0f ms, p95 %.0f ms", ms(percentile(p.ready, 50)), ms(percentile(p.ready, 95)))
	}, func(a, b *proxySide) float64 { return ms(percentile(a.ready, 50)) / ms(percentile(b.ready, 50)) })
	table("proxy: memory when ready, and the most under the load below", "≤ 12 MiB", func(p *proxySide) string {
		return fmt.Sprintf("%.1f and %.1f MiB", float64(p.resting)/(1<<20), float64(p.busy)/(1<<20))
	}, func(a, b *proxySide) float64 { return float64(a.busy) / float64(b.busy) })
	table("proxy: cached token", "≥ 8,000 per core-second", func(p *proxySide) string {
		us := median(p.closed)
		return fmt.Sprintf("%.0f µs CPU, %.0f per core-second", us, 1e6/us)
	}, func(a, b *proxySide) float64 {
		var ratios []float64
		for i := range a.closed {
			ratios = append(ratios, a.closed[i]/b.closed[i])
		}
		return median(ratios)
	})
	table(fmt.Sprintf("proxy: cached token, %d/s, open loop", pace), "p99 ≤ 3 ms", func(p *proxySide) string {
		sorted := slices.Sorted(slices.Values(p.open))
		return fmt.Sprintf("p50 %.2f ms, p99 %.2f ms; %d failed", ms(sorted[len(sorted)/2]), ms(sorted[len(sorted)*99/100]), p.failed)
	}, func(a, b *proxySide) float64 { return ms(percentile(a.open, 99)) / ms(percentile(b.open, 99)) })
	return nil
}
