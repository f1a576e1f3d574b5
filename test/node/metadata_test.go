package node_test

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// nodeToken is what the node's metadata service gives to whoever reaches it.
const nodeToken = "the-node's-own-token"

// metadata is the metadata service of the node, whose identity no pod that has
// the proxy may get hold of. It remembers who asked for what.
type metadata struct {
	mu    sync.Mutex
	asked map[string][]string // paths, by the caller's address
}

// startMetadata serves at the address that every machine of Azure has for it,
// until the test ends.
func startMetadata(t *testing.T) *metadata {
	t.Helper()
	listener, err := net.Listen("tcp", "169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	m := &metadata{asked: map[string][]string{}}
	server := &http.Server{Handler: m}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // it ends by Close only
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return m
}

func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, _, _ := net.SplitHostPort(r.RemoteAddr) // an address of the connection is one
	m.mu.Lock()
	m.asked[caller] = append(m.asked[caller], r.URL.Path)
	m.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if strings.HasPrefix(r.URL.Path, "/metadata/identity") {
		_, _ = w.Write([]byte(`{"access_token":"` + nodeToken + `"}`))
		return
	}
	_, _ = w.Write([]byte(`{"compute":{"name":"the-node"}}`))
}

// askedBy returns the paths that a pod has asked for.
func (m *metadata) askedBy(address string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.asked[address]...)
}
