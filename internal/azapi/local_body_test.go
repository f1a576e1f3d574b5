package azapi_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
)

// TestLocalBodyThatEndsEarly: what is wrong with a body is the handler's to say,
// by local names as by Azure's.
func TestLocalBodyThatEndsEarly(t *testing.T) {
	service := toy()
	service.Hosts, service.NamesHosts, service.Target = []string{"graph.microsoft.com"}, true, nil
	service.Operations = []azapi.Operation{{Name: "Put", Method: "PUT", Pattern: "/items/{name}", Action: azapi.Anonymous(), MaxBody: 64, Handle: put}}
	server, err := azapi.New([]*azapi.Service{service}, azapi.Config{
		Authenticator: gate{}, Grants: gate{}, Roles: access.BuiltinRoles, Now: time.Now, NewID: func() string { return "id" },
		Log: slog.New(slog.DiscardHandler), Local: azapi.NewLocal("aksess.localhost"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"graph.microsoft.com", "graph.aksess.localhost:8443"} {
		for name, body := range map[string]io.Reader{
			"ends_early": io.MultiReader(strings.NewReader(`{"count":`), iotest.ErrReader(io.ErrUnexpectedEOF)),
			"too_large":  strings.NewReader(strings.Repeat(" ", 100)),
		} {
			r := httptest.NewRequest("PUT", "https://"+host+"/items/x?"+version, body)
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			if w.Code != http.StatusBadRequest {
				t.Errorf("%s, %s: got %d %s, want the handler's 400", host, name, w.Code, w.Body)
			}
		}
	}
}
