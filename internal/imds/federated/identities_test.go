package federated

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/aksess/aksess/internal/imds"
)

// TestIdentitiesNeverCross: 10^5 requests, many at the same time, for a thousand
// clients and for resources that are alike, some of which leave, some of which are
// refused; everybody gets the token that was asked for or none.
func TestIdentitiesNeverCross(t *testing.T) {
	const clients, workers, rounds, each = 1000, 64, 98, 16
	w := newWorkbench(t, func(c *Config) { c.Log = nil })
	w.service.answers(func(n int, form url.Values) (int, http.Header, string, error) {
		switch n % 11 {
		case 0:
			return refusing(429, "x", "")(n, form)
		case 1:
			return unreachable(n, form)
		}
		return http.StatusOK, nil, granted(n, form, `"expires_in":3600`), nil
	})
	resources := []string{"r", "r/", "R", "r/.default", "0000", "r\u00e9", `r"`, "r|" + clientID}
	asker := asker{workbench: w}
	var running sync.WaitGroup
	for worker := range workers {
		running.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for range rounds {
				client := fmt.Sprintf("%08d-0000-0000-0000-000000000000", random.IntN(clients))
				resource := resources[random.IntN(len(resources))]
				for range each { // as programs ask: for the same again and again
					asker.ask(t, client, resource, random.IntN(64) == 0)
				}
			}
		})
	}
	running.Wait()
	if s := w.Stats(); s.Cached+s.Fetched < workers*rounds*each/4 || s.Exchanges < clients {
		t.Errorf("got %+v: the requests hardly did anything", s)
	}
}

// asker reads each answer once, however often it is given out.
type asker struct {
	*workbench
	read sync.Map // said, by answer
}

// ask asks for a token and checks that an answer is for that client and resource;
// who leaves does not wait for it.
func (a *asker) ask(t *testing.T, client, resource string, leaves bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if leaves {
		cancel()
	}
	answer, err := a.Answer(ctx, imds.Selector{ClientID: client}, resource)
	if err != nil {
		return
	}
	known, ok := a.read.Load(answer)
	if !ok {
		got, err := read(answer)
		if err != nil {
			t.Error(err)
			return
		}
		known, _ = a.read.LoadOrStore(answer, got)
	}
	if got := known.(said); got.ClientID != client || got.AppID != client || got.Resource != resource || got.Aud != scope(resource) {
		t.Errorf("asked for %s %s, got %+v", client, resource, got)
	}
}
