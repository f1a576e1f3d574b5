package entra

import (
	"slices"
	"strings"
)

// maxScopes bounds the words of a scope.
const maxScopes = 64

// graph is the resource of permissions that name none.
const graph = "https://graph.microsoft.com"

// impersonation is the one permission of Azure's resources: to do what the user may do.
const impersonation = "user_impersonation"

// graphPermissions are what Azure's own command line tools hold on Graph.
// azurerm takes a token whose permissions hold "openid" for a user's.
const graphPermissions = "AuditLog.Read.All Directory.AccessAsUser.All Group.ReadWrite.All User.ReadWrite.All email openid profile"

// wish is what a user's client asks for.
type wish struct {
	resource    string   // as the v1 endpoint names it
	permissions []string // on the resource, without .default
	words       []string // as asked, in order
}

// parseWish reads a v2 scope of a user's client: permissions on one resource,
// in the form RESOURCE/PERMISSION, beside the words of OpenID Connect. What
// names no resource is a permission on Graph. Only what follows the last slash
// is cut, so that a doubled slash stays part of the resource.
func parseWish(scope string) (wish, error) {
	words := strings.Fields(scope)
	if len(words) > maxScopes {
		return wish{}, manyScopes.New(clip(scope))
	}
	w := wish{words: words}
	for _, word := range words {
		if isOpenID(word) {
			continue
		}
		named, permission := graph, word
		if cut := strings.LastIndexByte(word, '/'); cut >= 0 {
			named, permission = word[:cut], word[cut+1:]
		}
		if named == "" || permission == "" {
			return wish{}, manyScopes.New(clip(word))
		}
		if w.resource != "" && w.resource != named {
			return wish{}, manyScopes.New(clip(scope))
		}
		w.resource = named
		if permission != ".default" {
			w.permissions = append(w.permissions, permission)
		}
	}
	if w.resource == "" {
		w.resource = graph
	}
	return w, nil
}

// isOpenID reports whether a word of a scope is OpenID Connect's and not a permission.
func isOpenID(word string) bool {
	switch word {
	case "openid", "profile", "email", "offline_access":
		return true
	}
	return false
}

func (w wish) has(word string) bool { return slices.Contains(w.words, word) }

// wish returns what the request asks for, in the form of its endpoint's
// version. When it asks for nothing, it is what was asked for before.
func (x *exchange) wish(before string) (wish, error) {
	if x.version == version2 {
		scope := x.form["scope"]
		if scope == "" {
			scope = before
		}
		if scope == "" {
			return wish{}, missingParameter.New("scope")
		}
		return parseWish(scope)
	}
	if asked := x.form["resource"]; asked != "" {
		// The v1 endpoint gives all that there is.
		return wish{resource: asked, words: []string{"openid", "offline_access", asked + "/.default"}}, nil
	}
	if before == "" {
		return wish{}, missingParameter.New("resource")
	}
	return parseWish(before)
}

// scope is the wish as it is kept, in the form of the v2 endpoint.
func (w wish) scope() string { return strings.Join(w.words, " ") }

// granted returns the token's scp and the answer's scope. The latter repeats
// what was asked for: clients compare.
func (w wish) granted(target resource, client application) (scp, scope string) {
	switch {
	case target.version == version2 && len(w.permissions) > 0:
		scp = strings.Join(w.permissions, " ")
	case isGraph(target.asked) && client.principal == nil:
		scp = graphPermissions
	case isGraph(target.asked):
		scp = strings.Join(append(slices.Clone(w.permissions), "email", "openid", "profile"), " ")
	default:
		scp = impersonation
	}
	words := slices.Clone(w.words)
	for permission := range strings.FieldsSeq(scp) {
		if !isOpenID(permission) {
			permission = w.resource + "/" + permission
		}
		if !slices.Contains(words, permission) {
			words = append(words, permission)
		}
	}
	return scp, strings.Join(words, " ")
}

func isGraph(asked string) bool {
	name := strings.ToLower(strings.TrimSuffix(asked, "/"))
	return name == graph || name == "00000003-0000-0000-c000-000000000000"
}
