package azapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/azapi"
)

// TestLargeBodiesOneAtATime: while a large body is handled, other large ones
// wait, and small ones do not.
func TestLargeBodiesOneAtATime(t *testing.T) {
	const large, limit = 300 << 10, 1 << 20
	started, release := make(chan int, 8), make(chan struct{})
	var handling, most atomic.Int32
	service := toy()
	service.Operations = []azapi.Operation{{
		Name: "Post", Method: http.MethodPost, Pattern: "/big", Action: azapi.Anonymous(), MaxBody: limit,
		Handle: func(w http.ResponseWriter, r *azapi.Request) error {
			body, err := io.ReadAll(r.Body)
			if len(body) > large-1 {
				most.Store(max(most.Load(), handling.Add(1)))
				defer handling.Add(-1)
				started <- len(body)
				<-release
			}
			if err != nil {
				return azapi.WriteJSON(w, http.StatusRequestEntityTooLarge, len(body))
			}
			return azapi.WriteJSON(w, http.StatusOK, len(body))
		},
	}}
	server, err := azapi.New([]*azapi.Service{service}, config(new(events)))
	if err != nil {
		t.Fatal(err)
	}
	post := func(size int, known bool) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodPost, "https://a.toy.example/big?"+version, strings.NewReader(strings.Repeat("x", size)))
		if !known {
			request.ContentLength = -1
		}
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, request)
		return recorder
	}
	answers := make(chan *httptest.ResponseRecorder, 8)
	for i := range 4 {
		go func() { answers <- post(large, i%2 == 0) }()
	}
	<-started
	for _, known := range []bool{true, false} {
		if got := post(10, known); got.Code != http.StatusOK || got.Body.String() != "10" {
			t.Errorf("a small body meanwhile: got %d %s, want 200 10", got.Code, got.Body)
		}
	}
	close(release)
	for range 4 {
		if got := <-answers; got.Code != http.StatusOK || got.Body.String() != "307200" {
			t.Errorf("a large body: got %d %s, want 200 307200", got.Code, got.Body)
		}
	}
	if got := most.Load(); got != 1 {
		t.Errorf("large bodies handled together: got %d, want 1", got)
	}
	if got := post(limit+1, false); got.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body beyond the limit: got %d, want 413", got.Code)
	}
}

// TestBodyOfGetIsNotAwaited: a GET that announces a body and sends none is answered.
func TestBodyOfGetIsNotAwaited(t *testing.T) {
	server, err := azapi.New([]*azapi.Service{toy()}, config(new(events)))
	if err != nil {
		t.Fatal(err)
	}
	body, never := io.Pipe()
	defer never.Close() //nolint:errcheck // of a pipe
	request := httptest.NewRequest(http.MethodGet, "https://a.toy.example/hello", body)
	request.ContentLength = -1
	answered := make(chan int)
	go func() {
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, request)
		answered <- recorder.Code
	}()
	select {
	case got := <-answered:
		if got != http.StatusOK {
			t.Errorf("got %d, want 200", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no answer while the body is not sent")
	}
}
