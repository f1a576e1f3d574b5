package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

func TestPages(t *testing.T) {
	w := world(t)
	want := []string{}
	for i := range 7 {
		want = append(want, createGroup(w, fmt.Sprint("page", i)))
	}
	slices.Sort(want)
	var all []string
	next := base + "/groups?$top=3&$count=true&$filter=" + escape("startswith(displayName,'page')") + "&$select=id"
	for pages := 0; next != ""; pages++ {
		got := w.Want(apptest.Request{URL: next, Header: map[string]string{"ConsistencyLevel": "eventual"}}, 200, "")
		if field(got, "@odata.count") != "7" || pages > 3 {
			t.Fatalf("got %s", got.Body)
		}
		all = append(all, values(got, "id")...)
		next = strings.TrimPrefix(field(got, "@odata.nextLink"), "https://")
	}
	if !slices.Equal(all, want) {
		t.Errorf("got %v, want %v", all, want)
	}
	if got := w.Want(get("/groups/$count?$filter="+escape("displayName ne 'page0'")), 200, ""); got.Body != "6" {
		t.Errorf("count: got %s, want 6", got.Body)
	}
	for query, code := range map[string]string{
		"$search=%22x%22": "Request_UnsupportedQuery", "$orderby=displayName": "Request_UnsupportedQuery", "$expand=members": "Request_UnsupportedQuery",
		"$top=0": "BadRequest", "$top=x": "BadRequest", "$top=1000": "BadRequest", "$skiptoken=x": "Directory_ExpiredPageToken", "$filter=x": "Request_UnsupportedQuery",
		"$filter=displayName+eq": "BadRequest", "$filter=displayName+gt+%27a%27": "Request_UnsupportedQuery",
	} {
		t.Run(query, func(t *testing.T) { w.T = t; w.Want(get("/groups?"+query), 400, code) })
	}
	w.T = t
}

// TestServicePrincipalsInPages: Graph's own has its place among those that are stored.
func TestServicePrincipalsInPages(t *testing.T) {
	w := world(t)
	for i := range 5 {
		w.Register(fmt.Sprint("p", i))
	}
	seen := map[string]int{}
	next := base + "/servicePrincipals?$top=1"
	for pages := 0; next != "" && pages < 20; pages++ {
		got := w.Want(apptest.Request{URL: next}, 200, "")
		for _, id := range values(got, "id") {
			seen[id]++
		}
		next = strings.TrimPrefix(field(got, "@odata.nextLink"), "https://")
	}
	if len(seen) != 7 { // those, the owner and Graph
		t.Errorf("got %v, want 7", seen)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s: got it %d times", id, times)
		}
	}
}
