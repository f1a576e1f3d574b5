package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// Bounds of connections at the same time. Each takes some 20 KiB: net/http's two
// buffers, a stack and what a collection's pace adds. More than maxConns wait in the
// kernel's queue. While more than keptConns are open an answer ends a connection, the
// longest idle one or else its own, so that those who wait soon have their turn,
// whatever the others do with theirs.
const (
	maxConns  = 32
	keptConns = 24
)

// Listen opens the port on both loopback addresses; IPv6 may be absent. Port 0
// takes a free one. The caller closes the listeners.
func Listen(ctx context.Context, port int) ([]net.Listener, error) {
	var config net.ListenConfig
	four, err := config.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, taken(err, port)
	}
	listeners := []net.Listener{four}
	address, ok := four.Addr().(*net.TCPAddr)
	if !ok {
		return listeners, nil
	}
	six, err := config.Listen(ctx, "tcp6", net.JoinHostPort("::1", strconv.Itoa(address.Port)))
	switch {
	case err == nil:
		return append(listeners, six), nil
	case errors.Is(err, syscall.EADDRINUSE):
		_ = four.Close()
		return nil, taken(err, address.Port)
	}
	return listeners, nil // no IPv6 here
}

func taken(err error, port int) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d is taken by another program of the pod, whose containers share their ports: choose another one with the annotation azure.workload.identity/proxy-sidecar-port: %w", port, err)
	}
	return fmt.Errorf("opening the port: %w", err)
}

// limited lets in as many connections at the same time as there are places, which
// listeners may share.
type limited struct {
	net.Listener
	places chan struct{} // one in it for each that is taken
	closed chan struct{}
	once   *sync.Once
}

func limit(l net.Listener, places chan struct{}) *limited {
	return &limited{Listener: l, places: places, closed: make(chan struct{}), once: new(sync.Once)}
}

// Accept implements net.Listener. The connection that waits for a place has been
// accepted: a listener that waits for a connection takes no place from the other.
func (l *limited) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case l.places <- struct{}{}:
		return &placed{Conn: conn, leave: sync.OnceFunc(func() { <-l.places })}, nil
	case <-l.closed:
		_ = conn.Close()
		return nil, net.ErrClosed
	}
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// placed gives its place back when it is closed.
type placed struct {
	net.Conn
	leave func()
}

func (p *placed) Close() error {
	err := p.Conn.Close()
	p.leave()
	return err
}
