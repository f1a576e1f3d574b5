package authorization

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

// Who may assign roles under a condition is told by it which: conditions of
// such delegates are about the assignment that is written or deleted
// (https://learn.microsoft.com/azure/role-based-access-control/conditions-authorization-actions-attributes).

// attributesOf are the attributes of one assignment, all of one source, and the time.
func attributesOf(source string, now time.Time, assignment func() (access.Assignment, bool)) access.Attributes {
	return access.Attributes{Value: func(from, name string) ([]string, bool) {
		if from == "Environment" && strings.EqualFold(name, "UtcNow") {
			return []string{now.UTC().Format(time.RFC3339Nano)}, true
		}
		name, ours := strings.CutPrefix(strings.ToLower(name), strings.ToLower(typeAssignment)+":")
		if from != source || !ours {
			return nil, false
		}
		a, found := assignment()
		if !found {
			return nil, false
		}
		value := map[string]string{"roledefinitionid": a.RoleID, "principalid": a.PrincipalID, "principaltype": a.PrincipalType}[name]
		return []string{value}, value != ""
	}}
}

// written says which assignment a request writes. Its body is read only when a
// condition asks, and read again by the handler.
func (h *handlers) written(r *azapi.Request) access.Attributes {
	return attributesOf("Request", r.Now, func() (access.Assignment, bool) {
		sent, err := io.ReadAll(r.Body)
		again := func() { r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(sent), failure{err})) }
		again()
		defer again()
		var body assignmentBody
		if err != nil || arm.DecodeBody(r, &body) != nil {
			return access.Assignment{}, false
		}
		p := body.Properties
		role, err := roleID(p.RoleDefinitionID)
		if err != nil {
			return access.Assignment{}, false
		}
		kind, err := h.principalType(r.Context(), p.PrincipalID, p.PrincipalType)
		return access.Assignment{RoleID: role, PrincipalID: p.PrincipalID, PrincipalType: kind}, err == nil
	})
}

// deleted says which assignment a request deletes.
func (h *handlers) deleted(r *azapi.Request) access.Attributes {
	return attributesOf("Resource", r.Now, func() (access.Assignment, bool) {
		found, err := h.Book.Assignment(r.Context(), arm.ScopeOf(r, 4), r.Param("name"))
		return found.Value, err == nil
	})
}

// failure is a reader that gives an error, or the end.
type failure struct{ err error }

func (f failure) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}
