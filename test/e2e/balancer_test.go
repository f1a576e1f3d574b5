package e2e_test

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// A balancer is one address in front of the webhook's replicas. It stands for a
// Service, which would need kube-proxy and a node: every new connection goes to
// a replica that its readiness endpoint says is ready, looked at as often as a
// kubelet might, and one that was told to end gets none, as the EndpointSlice
// controller sees to it. Connections that are open stay open, as they do there.
type balancer struct {
	listener net.Listener

	mu       sync.Mutex
	replicas []*replica
	ready    []*replica
	turn     int
	refused  int  // connections while no replica was ready
	held     bool // ready stays as it is

	done sync.WaitGroup
}

// readinessInterval is between two looks at a replica.
const readinessInterval = 20 * time.Millisecond

func startBalancer(t *testing.T) *balancer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: listener}
	ctx, stop := context.WithCancel(context.Background())
	b.done.Go(func() { b.accept(ctx) })
	b.done.Go(func() { b.watch(ctx) })
	t.Cleanup(func() {
		stop()
		_ = listener.Close()
		b.done.Wait()
	})
	return b
}

func (b *balancer) address() string { return b.listener.Addr().String() }

func (b *balancer) add(r *replica) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.replicas = append(b.replicas, r)
}

// remove takes a replica out that is about to be told to end.
func (b *balancer) remove(r *replica) {
	b.mu.Lock()
	defer b.mu.Unlock()
	is := func(other *replica) bool { return other == r }
	b.replicas, b.ready = slices.DeleteFunc(b.replicas, is), slices.DeleteFunc(slices.Clone(b.ready), is)
}

func (b *balancer) isReady(r *replica) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.ready, r)
}

func (b *balancer) refusals() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused
}

// watch keeps ready up to date.
func (b *balancer) watch(ctx context.Context) {
	ticker := time.NewTicker(readinessInterval)
	defer ticker.Stop()
	for {
		b.mu.Lock()
		replicas := slices.Clone(b.replicas)
		b.mu.Unlock()
		var found []*replica
		for _, r := range replicas {
			if ready(ctx, r.health) == nil {
				found = append(found, r)
			}
		}
		b.mu.Lock()
		if !b.held {
			b.ready = slices.DeleteFunc(found, func(r *replica) bool { return !slices.Contains(b.replicas, r) })
		}
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// hold keeps the balancer from noticing anything until it is released.
func (b *balancer) hold() (release func()) {
	set := func(held bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.held = held
	}
	set(true)
	return func() { set(false) }
}

// pick returns the next replica in turn, nil if none is ready.
func (b *balancer) pick() *replica {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ready) == 0 {
		b.refused++
		return nil
	}
	b.turn++
	return b.ready[b.turn%len(b.ready)]
}

func (b *balancer) accept(ctx context.Context) {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return // closed
		}
		b.done.Go(func() { b.forward(ctx, client) })
	}
}

func (b *balancer) forward(ctx context.Context, client net.Conn) {
	defer client.Close()
	r := b.pick()
	if r == nil {
		return
	}
	server, err := new(net.Dialer).DialContext(ctx, "tcp", r.listen)
	if err != nil {
		return
	}
	defer server.Close()
	end := context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })
	defer end()
	var both sync.WaitGroup
	both.Go(func() { splice(server, client) })
	both.Go(func() { splice(client, server) })
	both.Wait()
}

// splice copies until the source has ended, and says so to the destination.
func splice(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}
