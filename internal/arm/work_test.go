package arm_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/arm/armtest"
	"github.com/aksess/aksess/internal/fault"
)

const (
	engine     = armtest.RG + "/providers/Microsoft.ContainerService/engines/e1"
	skipHeader = "X-Go-Azure-Sdk-Skip-Polling-Delay"
)

var engineBroke = &fault.Kind{Code: "EngineBroke", Status: http.StatusBadRequest, Format: "the engine %s broke"}

// engines have work that ends when the test says so.
type engines struct {
	begun chan string // names, as work begins
	end   chan error
}

func newEngines() *engines { return &engines{begun: make(chan string, 8), end: make(chan error)} }

func (e *engines) types() []*arm.Type {
	return []*arm.Type{{
		Name: "Microsoft.ContainerService/engines", DeleteStatus: http.StatusAccepted,
		Work: func(ctx context.Context, r *arm.Resource) error {
			e.begun <- r.Name
			select {
			case err := <-e.end:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}}
}

func startEngines(t *testing.T) (*armtest.Server, *engines) {
	t.Helper()
	e := newEngines()
	return armtest.New(t, armtest.Setup{Types: func(*armtest.Server) []*arm.Type { return e.types() }}), e
}

// path is what a poller asks for: the path and query of a header's URL.
func path(t *testing.T, h http.Header, name string) string {
	t.Helper()
	at, found := strings.CutPrefix(h.Get(name), "https://"+arm.Host)
	if !found {
		t.Fatalf("%s: got %q, want an absolute URL of %s", name, h.Get(name), arm.Host)
	}
	return at
}

// paced fails unless the answer tells a poller to wait, or not to.
func paced(t *testing.T, r armtest.Response, running bool) {
	t.Helper()
	retry, skip := r.Header.Get("Retry-After"), r.Header.Get(skipHeader)
	if running && (retry != "1" || skip != "") {
		t.Errorf("while running: got Retry-After %q and skip %q, want 1 and none", retry, skip)
	}
	if !running && (retry == "1" || skip == "") {
		t.Errorf("when finished: got Retry-After %q and skip %q, want no wait", retry, skip)
	}
}

// until asks again and again until the answer has the status wanted.
func until(t *testing.T, s *armtest.Server, path, want string) armtest.Response {
	t.Helper()
	for {
		got := s.Want(armtest.Request{Path: path}, 200, "")
		if got.Get("status") == want {
			return got
		}
		if got.Get("status") != "InProgress" || t.Context().Err() != nil {
			t.Fatalf("%s: got %s, want %s", path, got.Body, want)
		}
	}
}

func TestWork(t *testing.T) {
	s, e := startEngines(t)
	put := armtest.Request{Method: "PUT", Path: engine, Body: inWest}
	created := s.Want(put, 201, "")
	if state := created.Get("properties.provisioningState"); state != "Creating" {
		t.Errorf("created: got state %q, want Creating", state)
	}
	paced(t, created, true)
	<-e.begun
	status, result := path(t, created.Header, "Azure-AsyncOperation"), path(t, created.Header, "Location")
	got := s.Want(armtest.Request{Path: status}, 200, "")
	if got.Get("status") != "InProgress" || got.Get("name") == "" || got.Get("startTime") == "" || got.Get("endTime") != "" {
		t.Errorf("status while running: got %s", got.Body)
	}
	paced(t, got, true)
	paced(t, s.Want(armtest.Request{Path: result}, 202, ""), true)
	paced(t, s.Want(armtest.Request{Path: engine}, 200, ""), true)
	s.Want(put, 409, "OperationNotAllowed")
	s.Want(armtest.Request{Method: "PATCH", Path: engine, Body: `{}`}, 409, "OperationNotAllowed")
	s.Want(armtest.Request{Method: "DELETE", Path: engine}, 409, "OperationNotAllowed")

	e.end <- nil
	got = until(t, s, status, "Succeeded")
	paced(t, got, false)
	if got.Get("endTime") == "" || got.Get("error") != "" {
		t.Errorf("status at the end: got %s", got.Body)
	}
	if got := s.Want(armtest.Request{Path: result}, 200, ""); got.Get("properties.provisioningState") != "Succeeded" {
		t.Errorf("result: got %s, want the resource", got.Body)
	}
	paced(t, s.Want(armtest.Request{Path: engine}, 200, ""), false)

	updated := s.Want(put, 200, "")
	if state := updated.Get("properties.provisioningState"); state != "Updating" {
		t.Errorf("updated: got state %q, want Updating", state)
	}
	<-e.begun
	e.end <- engineBroke.New("e1")
	got = until(t, s, path(t, updated.Header, "Azure-AsyncOperation"), "Failed")
	if got.Get("error.code") != "EngineBroke" || got.Get("error.message") != "the engine e1 broke" {
		t.Errorf("failure: got %s", got.Body)
	}
	s.Want(armtest.Request{Path: path(t, updated.Header, "Location")}, 409, "OperationFailed")
	if state := s.Want(armtest.Request{Path: engine}, 200, "").Get("properties.provisioningState"); state != "Failed" {
		t.Errorf("after a failure: got state %q, want Failed", state)
	}
	deleted := s.Want(armtest.Request{Method: "DELETE", Path: engine}, 202, "")
	paced(t, deleted, false)
	until(t, s, path(t, deleted.Header, "Azure-AsyncOperation"), "Succeeded")
	if got := s.Want(armtest.Request{Path: path(t, deleted.Header, "Location")}, 200, ""); got.Body != "" || got.Header.Get("Content-Length") != "0" {
		t.Errorf("result of a delete: got %q, want 200 without a body", got.Body)
	}
}

// TestWhoReadsOperations: the caller that began one, and who may read operations there.
func TestWhoReadsOperations(t *testing.T) {
	s, e := startEngines(t)
	created := s.Want(armtest.Request{Method: "PUT", Path: engine, Body: inWest, As: armtest.InGroup}, 201, "")
	<-e.begun
	status := path(t, created.Header, "Azure-AsyncOperation")
	for _, as := range []string{armtest.InGroup, armtest.Owner, armtest.Reader} {
		s.Want(armtest.Request{Path: status, As: as}, 200, "")
	}
	s.Want(armtest.Request{Path: status, As: armtest.Nobody}, 403, "AuthorizationFailed")
	s.Want(armtest.Request{Path: status, As: "-"}, 401, "AuthenticationFailed")
	elsewhere := strings.Replace(status, "westeurope", "eastus", 1)
	s.Want(armtest.Request{Path: elsewhere}, 404, "NotFound")
	s.Want(armtest.Request{Path: elsewhere, As: armtest.InGroup}, 403, "AuthorizationFailed")
	e.end <- nil
	until(t, s, status, "Succeeded")
	s.Want(armtest.Request{Path: path(t, created.Header, "Location"), As: armtest.Nobody}, 403, "AuthorizationFailed")
}

// TestRestartInTheMiddle stops a process while work runs; the next one over the
// same store does the work again and ends the operation.
func TestRestartInTheMiddle(t *testing.T) {
	s, e := startEngines(t)
	created := s.Want(armtest.Request{Method: "PUT", Path: engine, Body: inWest}, 201, "")
	<-e.begun
	s.Resources.Close()
	status := path(t, created.Header, "Azure-AsyncOperation")
	if got := s.Want(armtest.Request{Path: status}, 200, ""); got.Get("status") != "InProgress" {
		t.Fatalf("after the stop: got %s, want InProgress", got.Body)
	}

	second := newEngines()
	again := arm.NewResources(s.Store)
	t.Cleanup(again.Close)
	if _, err := arm.Service(arm.Options{Resources: again, Types: second.types()}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what runs already is not run twice
		if err := again.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	<-second.begun
	second.end <- nil
	until(t, s, status, "Succeeded")
	if state := s.Want(armtest.Request{Path: engine}, 200, "").Get("properties.provisioningState"); state != "Succeeded" {
		t.Errorf("state: got %q, want Succeeded", state)
	}
	select {
	case name := <-second.begun:
		t.Errorf("the work on %s was done twice", name)
	default:
	}
}

// TestDeletedWhileWorking: a group goes with what is under way in it.
func TestDeletedWhileWorking(t *testing.T) {
	s, e := startEngines(t)
	created := s.Want(armtest.Request{Method: "PUT", Path: engine, Body: inWest}, 201, "")
	<-e.begun
	group, err := s.Resources.Get(t.Context(), armtest.RG)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Resources.DestroyGroup(t.Context(), e.types(), group); err != nil {
		t.Fatal(err)
	}
	until(t, s, path(t, created.Header, "Azure-AsyncOperation"), "Canceled")
	s.Want(armtest.Request{Path: engine}, 404, "ResourceGroupNotFound")
}

func TestWorkThatPanics(t *testing.T) {
	types := []*arm.Type{{Name: "Microsoft.ContainerService/engines", Work: func(context.Context, *arm.Resource) error { panic("broken") }}}
	s := armtest.New(t, armtest.Setup{Types: func(*armtest.Server) []*arm.Type { return types }})
	created := s.Want(armtest.Request{Method: "PUT", Path: engine, Body: inWest}, 201, "")
	got := until(t, s, path(t, created.Header, "Azure-AsyncOperation"), "Failed")
	if strings.Contains(got.Body, "broken") || got.Get("error.code") != "InternalServerError" {
		t.Errorf("got %s, want nothing of the inside", got.Body)
	}
}

// TestTypesThatCannotBeServed: what a type asks for and cannot have.
func TestTypesThatCannotBeServed(t *testing.T) {
	work := func(context.Context, *arm.Resource) error { return nil }
	for name, typ := range map[string]*arm.Type{
		"proxy_with_work":      {Name: "Microsoft.A/as", Proxy: true, Work: work},
		"stateless_with_work":  {Name: "Microsoft.A/as", Stateless: true, Work: work},
		"names_of_groups":      {Name: "Microsoft.A/as", SoftDelete: &arm.SoftDelete{}},
		"soft_delete_of_hooks": {Name: "Microsoft.A/as", Global: true, SoftDelete: &arm.SoftDelete{}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := arm.Service(arm.Options{Resources: arm.NewResources(nil), Types: []*arm.Type{typ}}); err == nil {
				t.Error("got a service, want an error")
			}
		})
	}
}
