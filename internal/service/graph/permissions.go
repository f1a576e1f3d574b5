package graph

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
)

// appRole is an application permission of Graph.
type appRole struct {
	id, permission, title string
}

// appRoles are the permissions that are served, with Graph's ids
// (https://learn.microsoft.com/graph/permissions-reference).
func appRoles() []appRole {
	return []appRole{
		{"7ab1d382-f21e-4acd-a863-ba3e13f7da61", directory.ReadAll, "Read directory data"},
		{"19dbc75e-c2e2-444c-a770-ec69d8559fc7", directory.ReadWriteAll, "Read and write directory data"},
	}
}

// graphID is the object id of Graph's own service principal in a tenant: the
// same at every start, and no other tenant's.
func graphID(tenantID string) string {
	sum := sha256.Sum256([]byte("Microsoft Graph in " + strings.ToLower(tenantID)))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // RFC 9562, version 8
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// viewGraph shows Graph's own service principal, whose app roles are what can
// be assigned to others.
func viewGraph(tenantID string) object {
	o := viewPrincipal(&directory.Principal{
		TenantID: tenantID, ObjectID: graphID(tenantID), AppID: appID, Type: directory.TypeApplication, DisplayName: "Microsoft Graph",
		IdentifierURIs: []string{resource + "/", resource},
	})
	o["appOwnerOrganizationId"] = "f8cdef31-a31e-4b4a-93e4-5f571e91255a" // Microsoft's tenant of its own services
	roles := []object{}
	for _, role := range appRoles() {
		roles = append(roles, object{
			"id": role.id, "value": role.permission, "displayName": role.title, "description": role.title, "isEnabled": true,
			"origin": "Application", "allowedMemberTypes": []string{"Application"},
		})
	}
	o["appRoles"] = roles
	return o
}

// viewAssignment shows that a service principal has a permission
// (https://learn.microsoft.com/graph/api/resources/approleassignment).
func viewAssignment(p *directory.Principal, role appRole) object {
	return object{
		"id": assignmentID(p, role), "appRoleId": role.id, "principalId": p.ObjectID, "principalDisplayName": p.DisplayName,
		"principalType": "ServicePrincipal", "resourceId": graphID(p.TenantID), "resourceDisplayName": "Microsoft Graph",
		"createdDateTime": instant(p.Created), "deletedDateTime": nil,
	}
}

func assignmentID(p *directory.Principal, role appRole) string {
	sum := sha256.Sum256([]byte(p.ObjectID + "/" + role.id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func assignmentKind() *kind {
	return &kind{
		name: "AppRoleAssignment", odata: "appRoleAssignment", set: "appRoleAssignments",
		properties: map[string]form{}, filters: map[string]operand{"resourceId": text},
	}
}

func (g *Graph) listAppRoleAssignments(w http.ResponseWriter, r *azapi.Request) error {
	q, err := readQuery(r, assignmentKind())
	if err != nil {
		return err
	}
	p, err := g.principal(r)
	if err != nil {
		return err
	}
	all := map[string]object{}
	for _, role := range appRoles() {
		if slices.Contains(p.Directory, role.permission) {
			all[role.id] = viewAssignment(p, role)
		}
	}
	return writeList(w, r, q, ordered(all))
}

// createAppRoleAssignment gives an application a permission on the directory,
// as an administrator's consent does.
func (g *Graph) createAppRoleAssignment(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.principal(r)
	if err != nil {
		return err
	}
	var asked struct{ PrincipalID, ResourceID, AppRoleID string }
	if err := readInto(r, &asked); err != nil {
		return err
	}
	k := assignmentKind()
	at := slices.IndexFunc(appRoles(), func(role appRole) bool { return strings.EqualFold(role.id, asked.AppRoleID) })
	switch {
	case !strings.EqualFold(asked.PrincipalID, p.ObjectID):
		return badProperty.New("principalId", k.name)
	case !strings.EqualFold(asked.ResourceID, graphID(p.TenantID)):
		return notFound.New(asked.ResourceID)
	case at < 0:
		return badRole.New(asked.AppRoleID)
	}
	role := appRoles()[at]
	p, err = g.Directory.Update(r.Context(), p.ObjectID, func(p *directory.Principal) error {
		if slices.Contains(p.Directory, role.permission) {
			return hasRole.New()
		}
		p.Directory = append(p.Directory, role.permission)
		return nil
	})
	if err != nil {
		return wire(err, k, asked.PrincipalID)
	}
	return writeObject(w, r, k, http.StatusCreated, viewAssignment(p, role))
}

func (g *Graph) deleteAppRoleAssignment(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.principal(r)
	if err != nil {
		return err
	}
	_, err = g.Directory.Update(r.Context(), p.ObjectID, func(p *directory.Principal) error {
		before := len(p.Directory)
		p.Directory = slices.DeleteFunc(slices.Clone(p.Directory), func(permission string) bool {
			return slices.ContainsFunc(appRoles(), func(role appRole) bool {
				return role.permission == permission && assignmentID(p, role) == r.Param("assignment")
			})
		})
		if len(p.Directory) == before {
			return notFound.New(r.Param("assignment"))
		}
		return nil
	})
	if err != nil {
		return wire(err, assignmentKind(), r.Param("assignment"))
	}
	return noContent(w)
}
