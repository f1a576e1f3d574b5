package service_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

// inside is what no answer may show: texts of Go's packages, files, stacks.
var inside = regexp.MustCompile(`goroutine |\.go:|json: |strconv\.|cannot unmarshal|runtime error|interface \{\}|xml: |XML syntax|illegal base64|sqlite|/tmp/|http: `)

// TestHostilePaths sends what no honest client sends to every service, as one
// who may do everything, as one without roles and without a token: each gets a small 4xx, or 501, that says nothing of the inside.
func TestHostilePaths(t *testing.T) {
	w, services := denyWorld(t)
	for role, scope := range map[string]string{
		"Key Vault Secrets Officer": roleVault, "App Configuration Data Owner": settings,
		"Storage Blob Data Owner": account, "Storage Queue Data Contributor": account,
	} {
		w.Assign(apptest.Owner, role, scope)
	}
	long, deep := strings.Repeat("n", 60_000), strings.Repeat("a/", 30_000)
	paths := []string{
		long, deep, strings.Repeat("%2e%2e%2f", 6_000), "%00", "%ff%fe", "%2f", "a%2f..%2fb", "..", "../..", "%5c..%5c", ";", "{name}",
		"secrets/" + long, "secrets/%ff?api-version=7.4", "secrets/a%2fb?api-version=7.4", "secrets/s/%00?api-version=7.4", "secrets?api-version=" + long,
		"secrets?api-version=7.4&maxresults=-1", "secrets?api-version=7.4&maxresults=99999999999999999999", "secrets?api-version=7.4&$skiptoken=" + long,
		"kv/%ff?api-version=1.0", "kv/" + long + "?api-version=1.0", "kv?api-version=1.0&after=" + long, "kv?api-version=1.0&key=*a*b*", "kv?api-version=1.0&key=" + long, "kv?api-version=1.0&$select=" + long,
		"deniedcontainer/" + long, "deniedcontainer/%ff", "deniedcontainer?restype=container&comp=list&maxresults=-1", "deniedcontainer?restype=container&comp=list&marker=" + long, "deniedcontainer?comp=" + long,
		"deniedqueue/messages?numofmessages=-1", "deniedqueue/messages?visibilitytimeout=99999999999999999999", "deniedqueue/messages/x?popreceipt=" + long, "deniedqueue/messages/%ff?popreceipt=AAAA&visibilitytimeout=1",
		"subscriptions/" + long + "?api-version=2025-01-01", strings.TrimPrefix(apptest.Group, "/") + "%2f?api-version=2025-01-01", strings.TrimPrefix(vault, "/") + long + "?api-version=2025-01-01",
		strings.TrimPrefix(apptest.Subscription, "/") + "/resources?api-version=2025-01-01&$filter=" + strings.Repeat("(", 20_000), strings.TrimPrefix(apptest.Subscription, "/") + "/resources?api-version=2025-01-01&$top=-1",
		strings.TrimPrefix(apptest.Subscription, "/") + "/resources?api-version=2025-01-01&$skiptoken=" + long, deep + "providers/Microsoft.Authorization/roleDefinitions/x?api-version=2025-01-01",
		"v1.0/users?$filter=" + strings.Repeat("(", 20_000), "v1.0/groups?$filter=displayName%20eq%20'", "v1.0/users?$top=-1", "beta/groups?$skiptoken=" + long,
		"v1.0/users/" + long, "v1.0/users('" + long + "')", "v1.0/applications(appId='%ff')", "v1.0/groups/%00/members/$ref", "v1.0/" + long + "(", "beta/directoryObjects/getByIds",
		"?a=%zz", "?" + strings.Repeat("a&", 30_000),
	}
	fqdn := w.Want(apptest.Request{URL: cluster}, http.StatusOK, "").Get("properties.fqdn")
	for _, s := range services {
		host := hosts(s)[len(hosts(s))-1]
		if s.Name == "apiserver" {
			host = fqdn
		}
		if s.Name == "issuer" {
			host = apptest.Location + strings.TrimPrefix(host, "*")
		}
		for _, path := range paths {
			for _, method := range []string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "BREW"} {
				for _, caller := range []string{apptest.Owner, "nobody", "-"} {
					hostile(t, w, apptest.Request{
						Method: method, URL: host + "/" + path, As: caller, Body: "{", Header: map[string]string{"x-ms-version": "2025-01-05"},
					})
				}
			}
		}
	}
}

func hostile(t *testing.T, w *apptest.World, r apptest.Request) {
	t.Helper()
	got := w.Do(r)
	name := r.Method + " " + r.URL[:min(len(r.URL), 150)]
	if got.Status >= 500 && got.Status != http.StatusNotImplemented {
		t.Errorf("%s: got %d, want 4xx", name, got.Status)
	}
	if got.Status >= 400 && len(got.Body) > 4<<10 {
		t.Errorf("%s: got a refusal of %d bytes, want 4 KiB at most", name, len(got.Body))
	}
	if found := inside.FindString(got.Body); got.Status >= 400 && found != "" {
		t.Errorf("%s: the answer shows %q: %.300s", name, found, got.Body)
	}
}
