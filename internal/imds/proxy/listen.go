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

// maxConns bounds connections at the same time, at some 20 KiB each; more wait in
// the kernel's queue.
const maxConns = 256

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

// limited lets in so many connections at the same time.
type limited struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   *sync.Once
}

func limit(l net.Listener, most int) *limited {
	return &limited{Listener: l, slots: make(chan struct{}, most), closed: make(chan struct{}), once: new(sync.Once)}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &slot{Conn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// slot gives its place back when it is closed.
type slot struct {
	net.Conn
	release func()
}

func (s *slot) Close() error {
	err := s.Conn.Close()
	s.release()
	return err
}
