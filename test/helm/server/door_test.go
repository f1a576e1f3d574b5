package server_test

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A door is how the API server reaches the webhook without a node: the Service
// leads to this machine instead of to pods, so that the name which the API server
// wants to see in the certificate is still that of the Service.
type door struct {
	listener net.Listener
	webhook  string // address

	mu   sync.Mutex
	open map[*net.TCPConn]chan struct{} // closed once the API server has let go

	connections int
	done        sync.WaitGroup
}

func openDoor(t *testing.T, webhook string) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{listener: listener, webhook: webhook, open: map[*net.TCPConn]chan struct{}{}}
	d.done.Go(d.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		d.mu.Lock()
		for client := range d.open {
			_ = client.Close()
		}
		d.mu.Unlock()
		d.done.Wait()
	})
	return d
}

func (d *door) port(t *testing.T) int {
	t.Helper()
	_, port, err := net.SplitHostPort(d.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// lead changes a Service so that it leads to the door, whose port it has already.
func (d *door) lead(t *testing.T, service *unstructured.Unstructured) {
	t.Helper()
	for field, value := range map[string]string{"type": "ExternalName", "externalName": "localhost"} {
		if err := unstructured.SetNestedField(service.Object, value, "spec", field); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *door) accept() {
	for {
		connection, err := d.listener.Accept()
		if err != nil {
			return // closed
		}
		d.done.Go(func() { d.forward(connection.(*net.TCPConn)) })
	}
}

func (d *door) forward(client *net.TCPConn) {
	gone := make(chan struct{})
	d.mu.Lock()
	d.open[client] = gone
	d.connections++
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.open, client)
		d.mu.Unlock()
		_ = client.Close()
		close(gone)
	}()
	server, err := net.Dial("tcp", d.webhook)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.CloseWrite()
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	back.Wait()
}

// renew has the API server connect anew for its next review, and returns how
// often it has connected so far. No review may be under way: the API server is
// told that the connection ends, and has let go of it before renew returns.
func (d *door) renew() int {
	d.mu.Lock()
	var going []chan struct{}
	for client, gone := range d.open {
		_ = client.CloseWrite()
		going = append(going, gone)
	}
	connections := d.connections
	d.mu.Unlock()
	for _, gone := range going {
		<-gone
	}
	return connections
}
