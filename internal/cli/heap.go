package cli

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	heapGrowth   = 400      // percent of what is live, before it is collected
	heapHeadroom = 64 << 20 // bytes beyond twice what is live, at which growth ends
)

// collectLess lets a small heap grow to a few times what is live before it is
// collected: one that is collected every few hundred requests costs as much as
// the requests. A limit ends the growth, so that large bodies do not multiply;
// it follows what is live, so that a large state is not collected for nothing.
// GOGC or GOMEMLIMIT, when set, have the say.
func collectLess(ctx context.Context, environ []string) {
	if lookup(environ, "GOGC") != "" || lookup(environ, "GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(heapGrowth)
	debug.SetMemoryLimit(heapHeadroom)
	go func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		limit := int64(heapHeadroom)
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			metrics.Read(sample)
			if next := heapHeadroom + 2*int64(sample[0].Value.Uint64()); next > limit+limit/8 || next < limit-limit/8 {
				limit = next
				debug.SetMemoryLimit(limit)
			}
		}
	}()
}
