package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// probeEvery is the time between two tries of a probe.
const probeEvery = 20 * time.Millisecond

// Probe waits until a proxy on the port answers that it is ready. It tries again
// while nobody listens or another answer comes, until the context is done; the
// error then says what came last.
func Probe(ctx context.Context, port int) error {
	transport := &http.Transport{Proxy: nil, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: time.Second}
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		err := ask(ctx, client, port)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("no proxy is ready on port %d: %w", port, err)
		}
	}
}

func ask(ctx context.Context, client *http.Client, port int) error {
	// The last try may go on after the context's end for its own time-out.
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(port)+readyPath, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err == nil && response.StatusCode == http.StatusOK && string(text) == "ok\n" {
		return nil
	}
	return fmt.Errorf("what listens there answers %d to %s", response.StatusCode, readyPath)
}
