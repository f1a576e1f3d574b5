package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/service/resources"
	"github.com/aksess/aksess/internal/store"
)

const (
	kindState = "app.state" // the one document that names tenant and subscription
	keyState  = "account"
	roleOwner = "Owner"

	tenantName    = "aksess"
	tenantDomain  = "aksess.onmicrosoft.com"
	tenantCountry = "US"

	userName        = "admin"
	userDisplayName = "aksess admin"
)

// bootstrap makes tenant, subscription, deployer and user of a new state, or
// reads those of an old one. Their secrets are kept in a file beside the state,
// for its owner's eyes only; the directory holds but their digests.
//
// The ids are written first and those who may sign in last: a first start that
// was killed is completed by the next one, and so is a state that was made when
// there was no user yet.
func (a *App) bootstrap(ctx context.Context) error {
	accounts := store.Collection[Account]{Store: a.Store, Kind: kindState}
	item, err := accounts.Get(ctx, keyState)
	if errors.Is(err, store.ErrNotFound) {
		item, err = a.choose(ctx, accounts)
	}
	if err != nil {
		return fmt.Errorf("reading the state: %w", err)
	}
	a.Account = item.Value
	if err := a.agree(); err != nil {
		return err
	}
	if a.Account.User.ObjectID == "" {
		if err := a.create(ctx); err != nil {
			return err
		}
		if _, err := accounts.Put(ctx, keyState, a.Account, store.At(item.Version)); err != nil {
			return fmt.Errorf("writing the state: %w", err)
		}
	}
	return a.secrets(ctx)
}

// choose writes the ids of a new state.
func (a *App) choose(ctx context.Context, accounts store.Collection[Account]) (store.Item[Account], error) {
	chosen := Account{TenantID: strings.ToLower(a.config.TenantID), SubscriptionID: strings.ToLower(a.config.SubscriptionID)}
	for what, id := range map[string]*string{"tenant": &chosen.TenantID, "subscription": &chosen.SubscriptionID} {
		if *id == "" {
			*id = a.config.NewID()
		}
		if !chain.IsGUID(*id) {
			return store.Item[Account]{}, fmt.Errorf("the %s id %q is not a GUID", what, *id)
		}
	}
	version, err := accounts.Put(ctx, keyState, chosen, store.Absent())
	return store.Item[Account]{Key: keyState, Version: version, Value: chosen}, err
}

// agree refuses ids that are asked for and are not the state's.
func (a *App) agree() error {
	for _, c := range []struct{ what, asked, have string }{
		{"tenant", a.config.TenantID, a.Account.TenantID}, {"subscription", a.config.SubscriptionID, a.Account.SubscriptionID},
	} {
		if c.asked != "" && !strings.EqualFold(c.asked, c.have) {
			return fmt.Errorf("the state in %q is of %s %s, not %s; choose another folder, or leave the %[2]s out", a.files, c.what, c.have, c.asked)
		}
	}
	return nil
}

// create makes what the ids of a new state name, and what an older one lacks.
func (a *App) create(ctx context.Context) error {
	if a.Account.Deployer.ObjectID == "" {
		if err := a.createDeployer(ctx); err != nil {
			return err
		}
	}
	// Owner of the subscription says nothing about the directory.
	_, err := a.Directory.Update(ctx, a.Account.Deployer.ObjectID, func(p *directory.Principal) error {
		p.Directory = []string{directory.ReadWriteAll}
		return nil
	})
	if err != nil {
		return fmt.Errorf("giving the deployer the directory: %w", err)
	}
	return a.createUser(ctx)
}

func (a *App) createDeployer(ctx context.Context) error {
	tenant := directory.Tenant{ID: a.Account.TenantID, Domain: tenantDomain, DisplayName: tenantName, Country: tenantCountry}
	if _, err := a.Directory.EnsureTenant(ctx, tenant); err != nil {
		return fmt.Errorf("making the tenant: %w", err)
	}
	subscription := resources.Subscription{ID: a.Account.SubscriptionID, Name: "aksess", TenantID: a.Account.TenantID}
	if err := resources.Bootstrap(ctx, a.Resources, subscription, a.config.Now()); err != nil {
		return err
	}
	deployer, err := a.Directory.CreateApplication(ctx, a.Account.TenantID, "aksess-deployer")
	if err != nil {
		return fmt.Errorf("making the deployer: %w", err)
	}
	a.Account.Deployer = Deployer{ClientID: deployer.AppID, ObjectID: deployer.ObjectID}
	return a.assignOwner(ctx, deployer.ObjectID, "ServicePrincipal")
}

// createUser makes the person who may do what the deployer may. A start that
// was killed may have made it already.
func (a *App) createUser(ctx context.Context) error {
	user, err := a.Directory.CreateUser(ctx, directory.User{
		TenantID: a.Account.TenantID, Name: userName + "@" + tenantDomain, DisplayName: userDisplayName,
		Directory: []string{directory.ReadWriteAll},
	}, "")
	if errors.Is(err, directory.ErrUserExists) {
		user, err = a.Directory.UserByName(ctx, a.Account.TenantID, userName+"@"+tenantDomain)
	}
	if err != nil {
		return fmt.Errorf("making the user: %w", err)
	}
	a.Account.User = User{Name: user.Name, ObjectID: user.ObjectID}
	return a.assignOwner(ctx, user.ObjectID, "User")
}

func (a *App) assignOwner(ctx context.Context, objectID, kind string) error {
	role, ok := access.BuiltinRole(roleOwner)
	if !ok {
		return fmt.Errorf("the built-in roles lack %q", roleOwner)
	}
	now := a.config.Now().UTC().Format(time.RFC3339Nano)
	_, _, err := a.Book.PutAssignment(ctx, access.Assignment{
		Name: a.config.NewID(), Scope: "/subscriptions/" + a.Account.SubscriptionID, RoleID: role.ID,
		PrincipalID: objectID, PrincipalType: kind, Description: "made at first start",
		CreatedOn: now, UpdatedOn: now, CreatedBy: objectID,
	}, store.Always())
	if err != nil && !errors.Is(err, access.ErrAssignmentExists) {
		return fmt.Errorf("making %s Owner of the subscription: %w", objectID, err)
	}
	return nil
}
