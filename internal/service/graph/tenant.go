package graph

import (
	"errors"
	"net/http"
	"slices"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
)

// me is the caller, who is a user.
func (g *Graph) me(r *azapi.Request) (*directory.User, error) {
	u, err := g.Directory.User(r.Context(), r.Caller.ObjectID)
	if errors.Is(err, directory.ErrUserNotFound) {
		return nil, notDelegated.New()
	}
	return u, err
}

func (g *Graph) getMe(w http.ResponseWriter, r *azapi.Request) error {
	u, err := g.me(r)
	if err != nil {
		return err
	}
	return writeObject(w, r, userKind(), http.StatusOK, viewUser(u))
}

// listMyOwnedObjects lists the groups, applications and service principals
// whose owner the caller is.
func (g *Graph) listMyOwnedObjects(w http.ResponseWriter, r *azapi.Request) error {
	u, err := g.me(r)
	if err != nil {
		return err
	}
	tenant, err := g.Directory.Tenant(r.Context(), r.Caller.TenantID)
	if err != nil {
		return err
	}
	q, err := readQuery(r, referenceKind())
	if err != nil {
		return err
	}
	owned := map[string]object{}
	mine := func(owners []string) bool { return slices.Contains(owners, u.ObjectID) }
	err = pages(r.Context(), g.Directory.ListGroups, "", func(o *directory.Group) string { return o.ObjectID }, func(o *directory.Group) bool {
		if mine(o.Owners) {
			owned[o.ObjectID] = viewGroup(o)
		}
		return true
	})
	if err != nil {
		return err
	}
	err = pages(r.Context(), g.Directory.List, "", func(p *directory.Principal) string { return p.ObjectID }, func(p *directory.Principal) bool {
		if mine(p.AppOwners) {
			owned[p.AppObjectID] = viewApplication(p, tenant)
		}
		if mine(p.Owners) {
			owned[p.ObjectID] = viewPrincipal(p)
		}
		return true
	})
	if err != nil {
		return err
	}
	return writeList(w, r, q, ordered(owned))
}

// ordered runs through objects in the order of their ids.
func ordered(objects map[string]object) scan {
	return func(after string, yield func(string, object) bool) error {
		var keys []string
		for key := range objects {
			if key > after {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		for _, key := range keys {
			if !yield(key, objects[key]) {
				return nil
			}
		}
		return nil
	}
}

// single is a kind without filters whose objects are shown whole.
func single(set, odata string) *kind {
	return &kind{name: odata, odata: odata, set: set, properties: map[string]form{}}
}

// listOrganization describes the caller's tenant
// (https://learn.microsoft.com/graph/api/resources/organization).
func (g *Graph) listOrganization(w http.ResponseWriter, r *azapi.Request) error {
	tenant, err := g.Directory.Tenant(r.Context(), r.Caller.TenantID)
	if err != nil {
		return err
	}
	q, err := readQuery(r, single("organization", "organization"))
	if err != nil {
		return err
	}
	return writeList(w, r, q, ordered(map[string]object{tenant.ID: {
		"id": tenant.ID, "displayName": tenant.DisplayName, "countryLetterCode": orNull(tenant.Country), "tenantType": "AAD",
		"verifiedDomains": []object{{
			"name": tenant.Domain, "type": "Managed", "isDefault": true, "isInitial": true, "capabilities": "",
		}},
		"assignedPlans": []string{}, "provisionedPlans": []string{}, "businessPhones": []string{}, "technicalNotificationMails": []string{},
	}}))
}

func (g *Graph) listDomains(w http.ResponseWriter, r *azapi.Request) error {
	tenant, err := g.Directory.Tenant(r.Context(), r.Caller.TenantID)
	if err != nil {
		return err
	}
	q, err := readQuery(r, single("domains", "domain"))
	if err != nil {
		return err
	}
	return writeList(w, r, q, ordered(map[string]object{tenant.Domain: {
		"id": tenant.Domain, "authenticationType": "Managed", "isAdminManaged": true, "isDefault": true, "isInitial": true,
		"isRoot": true, "isVerified": true, "supportedServices": []string{},
	}}))
}

// getDeleted finds nothing: what is deleted here is gone.
func (g *Graph) getDeleted(_ http.ResponseWriter, r *azapi.Request) error {
	return notFound.New(id(r))
}
