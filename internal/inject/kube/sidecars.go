package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// Sidecars knows whether the cluster runs sidecar containers (init containers
// that restart). It follows upgrades of the API server.
type Sidecars struct {
	client  rest.Interface
	log     *slog.Logger
	classic atomic.Bool
}

// NewSidecars returns a Sidecars that assumes a current cluster until
// [Sidecars.Run] has asked.
func NewSidecars(client *Client, log *slog.Logger) (*Sidecars, error) {
	config := rest.CopyConfig(client.config)
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	rested, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	return &Sidecars{client: rested, log: log}, nil
}

// Native reports whether pods may be given sidecar containers.
func (s *Sidecars) Native() bool { return !s.classic.Load() }

// Run asks the API server for its version every ten minutes until the context is done.
func (s *Sidecars) Run(ctx context.Context) {
	const interval, retry = 10 * time.Minute, 5 * time.Second
	for {
		pause := interval
		if err := s.ask(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("asking the API server for its version", "error", err, "retry", retry.String())
			pause = retry
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (s *Sidecars) ask(ctx context.Context) error {
	raw, err := s.client.Get().AbsPath("/version").Timeout(liveReadTimeout).DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("reading /version: %w", err)
	}
	native, known := nativeSidecars(raw)
	if !known {
		s.log.Info("the API server reports no version that can be read: a current one is assumed", "native", native)
	}
	s.classic.Store(!native)
	return nil
}

// nativeSidecars reports whether all nodes of a cluster with this API server
// run sidecar containers. They came with 1.29; nodes may be three minor
// versions behind the API server, so it is safe from 1.32. A version that
// cannot be read is a private build, and recent.
func nativeSidecars(raw []byte) (native, known bool) {
	var version struct{ Major, Minor string }
	if json.Unmarshal(raw, &version) != nil {
		return true, false
	}
	digits := func(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))] }
	major, majorErr := strconv.Atoi(digits(version.Major))
	minor, minorErr := strconv.Atoi(digits(version.Minor)) // "32+" in some distributions
	if majorErr != nil || minorErr != nil {
		return true, false
	}
	return major > 1 || major == 1 && minor >= 32, true
}
