package app

import (
	"context"
	"slices"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
)

// hook is what the pipeline asks before each request; nil when nothing disturbs.
func (d *disturbances) hook() func(*azapi.Request) error {
	if d == nil {
		return nil
	}
	return d.disturb
}

// grants are those of book, without the role assignments that are on their way
// (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting#symptom---role-assignment-changes-are-not-being-detected).
// Those that a new state makes for its owners, whose ids are the principals,
// are there from the start.
func (d *disturbances) grants(ctx context.Context, book azapi.Grants, principals ...string) (azapi.Grants, error) {
	if d == nil || d.assignmentDelay == 0 {
		return book, nil
	}
	settled := map[string]bool{}
	for _, id := range principals {
		held, err := book.Grants(ctx, access.Principal{ObjectID: id})
		if err != nil {
			return nil, err
		}
		for i := range held {
			settled[held[i].Assignment.ID()] = true
		}
	}
	return &slowGrants{book: book, delay: d.assignmentDelay, now: d.now, settled: settled}, nil
}

// slowGrants hold a role assignment back for a while.
type slowGrants struct {
	book    azapi.Grants
	delay   time.Duration
	now     func() time.Time
	settled map[string]bool // by id; not changed any more
}

// Grants implements azapi.Grants.
func (g *slowGrants) Grants(ctx context.Context, p access.Principal) ([]access.Grant, error) {
	held, err := g.book.Grants(ctx, p)
	if err != nil || !slices.ContainsFunc(held, g.onItsWay) {
		return held, err
	}
	return slices.DeleteFunc(slices.Clone(held), g.onItsWay), nil // the book's own slice is shared
}

func (g *slowGrants) onItsWay(grant access.Grant) bool {
	created, err := time.Parse(time.RFC3339Nano, grant.Assignment.CreatedOn)
	return err == nil && g.now().Before(created.Add(g.delay)) && !g.settled[grant.Assignment.ID()]
}

// known returns what the token service sees of a principal: without the
// federated credentials that are on their way
// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations#federated-identity-credentials-propagation).
// It is nil when it sees all.
func (d *disturbances) known() func(*directory.Principal) *directory.Principal {
	if d == nil || d.credentialDelay == 0 {
		return nil
	}
	onItsWay := func(c directory.FederatedCredential) bool { return d.now().Before(c.Updated.Add(d.credentialDelay)) }
	return func(p *directory.Principal) *directory.Principal {
		if !slices.ContainsFunc(p.Federated, onItsWay) {
			return p
		}
		seen := *p // the directory's own is shared
		seen.Federated = slices.DeleteFunc(slices.Clone(p.Federated), onItsWay)
		return &seen
	}
}
