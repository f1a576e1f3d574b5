package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

type counters struct {
	refused           atomic.Int64 // before any route was looked for
	tokens, tokenTime atomic.Int64
}

// health answers probes. A proxy that listens can serve: what it needs is
// checked at its start, and whether the token service can be reached is no
// reason to restart a pod.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if s.stopping.Load() && r.URL.Path == readyPath {
		plain(w, http.StatusServiceUnavailable, "stopping\n")
		return
	}
	plain(w, http.StatusOK, "ok\n")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// metrics answers in Prometheus' text format. Labels have no client's or
// resource's name in them: their number stays the same whatever clients ask.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	var out strings.Builder
	counter := func(name, help string, lines ...string) {
		fmt.Fprintf(&out, "# HELP aksess_proxy_%s %s\n# TYPE aksess_proxy_%s counter\n", name, help, name)
		for _, line := range lines {
			fmt.Fprintf(&out, "aksess_proxy_%s%s\n", name, line)
		}
	}
	value := func(n int64) string { return fmt.Sprintf(" %d", n) }
	sum := func(nanoseconds int64) string { return fmt.Sprintf(" %g", time.Duration(nanoseconds).Seconds()) }
	c := &s.counters
	counter("token_requests_total", "Token requests, good or bad.", value(c.tokens.Load()))
	counter("token_request_seconds_total", "Time that token requests took together.", sum(c.tokenTime.Load()))
	counter("refused_total", "Requests that were refused for their form.", value(c.refused.Load()))
	if s.config.Stats != nil {
		t := s.config.Stats()
		result := func(name string, n int64) string { return fmt.Sprintf("{result=%q} %d", name, n) }
		counter("tokens_total", "Tokens by where they came from, and why there was none.",
			result("cached", t.Cached), result("fetched", t.Fetched), result("stale", t.Stale),
			result("refused", t.Refused), result("throttled", t.Throttled), result("unavailable", t.Unavailable))
		counter("exchanges_total", "Exchanges with the token service.", value(t.Exchanges))
		counter("exchange_seconds_total", "Time that exchanges took together.", sum(int64(t.ExchangeTime)))
	}
	var passed []string
	for digit, n := range s.config.Node.Passed() {
		status := fmt.Sprintf("%dxx", digit)
		if digit == 0 {
			status = "none"
		}
		passed = append(passed, fmt.Sprintf("{status=%q} %d", status, n))
	}
	counter("passed_total", "Requests passed on to the node's metadata service by the status of the answer.", passed...)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = io.WriteString(w, out.String())
}
