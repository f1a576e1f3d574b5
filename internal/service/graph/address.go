package graph

import (
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
)

// address is how a path names the one object that it is about, in its first
// segment or its first two (https://learn.microsoft.com/graph/query-parameters,
// OData 4.01 part 2, section 4.3).
type address struct {
	set   string // "users" of /users/{id} and of /users('{id}'), "me" of /me
	key   string // "" of /me
	appID bool   // key is a client id, as in applications(appId='…')
}

// addressOf reads the address of an admitted request. It is zero when a segment
// that should be one has another form.
func addressOf(r *azapi.Request) address {
	if written := r.Param("addressed"); written != "" {
		return parseAddress(written)
	}
	_, rest, _ := strings.Cut(r.Operation.Pattern[1:], "/") // behind the version
	set, _, _ := strings.Cut(rest, "/")
	return address{set: set, key: r.Param("id")}
}

// parseAddress reads users('ada@contoso.com'), applications(appId='…') or
// servicePrincipals(appId='…'). A quote within a key is doubled.
func parseAddress(segment string) address {
	set, inside, found := strings.Cut(segment, "(")
	inside, closed := strings.CutSuffix(inside, ")")
	if !found || !closed {
		return address{}
	}
	a := address{set: set}
	if name, value, named := strings.Cut(inside, "="); named && !strings.HasPrefix(inside, "'") {
		if !strings.EqualFold(strings.TrimSpace(name), "appId") || !hasAppID(set) {
			return address{}
		}
		a.appID, inside = true, strings.TrimSpace(value)
	}
	key, length, ok := lexString(inside)
	if !strings.HasPrefix(inside, "'") || !ok || length != len(inside) || key == "" {
		return address{}
	}
	a.key = key
	return a
}

func hasAppID(set string) bool {
	return strings.EqualFold(set, "applications") || strings.EqualFold(set, "servicePrincipals")
}

// id is the key of the object that the path names.
func id(r *azapi.Request) string { return addressOf(r).key }

// addressedRows serve each of the rows about /set/{id} for /set('{id}') too, and
// for /set(appId='…'): those of all sets that have the same method and the same
// rest of the path are one row, because its first segment is one parameter.
func addressedRows(rows []row) []row {
	type shape struct{ method, rest, permission string }
	var order []shape
	handlers := map[shape]map[string]azapi.Handler{}
	for _, r := range rows {
		set, rest, found := strings.Cut(r.pattern[1:], "/{id}")
		if !found || strings.Contains(set, "/") {
			continue
		}
		s := shape{r.method, rest, r.permission}
		if handlers[s] == nil {
			order, handlers[s] = append(order, s), map[string]azapi.Handler{}
		}
		handlers[s][strings.ToLower(set)] = r.handle
	}
	made := make([]row, 0, len(order))
	for _, s := range order {
		made = append(made, row{addressedName(s.method, s.rest), s.method, "/{addressed}" + s.rest, s.permission, dispatch(handlers[s])})
	}
	return made
}

// addressedName is "GetAddressed", or "PostAddressedOwnersRef" for /owners/$ref.
func addressedName(method, rest string) string {
	name := method[:1] + strings.ToLower(method[1:]) + "Addressed"
	for _, word := range strings.FieldsFunc(rest, func(c rune) bool { return strings.ContainsRune("/${}", c) }) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}

// dispatch hands a request to the handler of the set that its address names.
func dispatch(handlers map[string]azapi.Handler) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) error {
		a := addressOf(r)
		handle := handlers[strings.ToLower(a.set)]
		switch {
		case handle == nil:
			return noSegment.New(segment(r))
		case a.appID && !chain.IsGUID(a.key):
			return badID.New(a.key)
		}
		return handle(w, r)
	}
}
