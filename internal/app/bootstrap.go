package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
)

// DeployerFile is the file beside the state that holds the deployer's secret.
const DeployerFile = "deployer.json"

// secretLifetime is how long the deployer's secret lives: longer than any use
// of a local Azure.
const secretLifetime = 100 * 365 * 24 * time.Hour

// bootstrap makes tenant, subscription and deployer of a new state, or reads
// those of an old one. The deployer's secret is kept in a file beside the
// state, for its owner's eyes only; the directory holds but its digest.
//
// The ids are written first and the deployer last: a first start that was
// killed is completed by the next one.
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
	if a.Account.Deployer.ClientID != "" {
		return a.deployerSecret(ctx)
	}
	return a.create(ctx, accounts, item.Version)
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

// create makes what the ids of a new state name.
func (a *App) create(ctx context.Context, accounts store.Collection[Account], version int64) error {
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
	if err := a.assignOwner(ctx, deployer.ObjectID); err != nil {
		return err
	}
	if err := a.newSecret(ctx); err != nil {
		return err
	}
	stored := a.Account
	stored.Deployer.ClientSecret = ""
	if _, err := accounts.Put(ctx, keyState, stored, store.At(version)); err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return nil
}

func (a *App) assignOwner(ctx context.Context, objectID string) error {
	role, ok := access.BuiltinRole(roleOwner)
	if !ok {
		return fmt.Errorf("the built-in roles lack %q", roleOwner)
	}
	now := a.config.Now().UTC().Format(time.RFC3339Nano)
	_, _, err := a.Book.PutAssignment(ctx, access.Assignment{
		Name: a.config.NewID(), Scope: "/subscriptions/" + a.Account.SubscriptionID, RoleID: role.ID,
		PrincipalID: objectID, PrincipalType: "ServicePrincipal", Description: "made at first start",
		CreatedOn: now, UpdatedOn: now, CreatedBy: objectID,
	}, store.Always())
	if err != nil {
		return fmt.Errorf("making the deployer Owner of the subscription: %w", err)
	}
	return nil
}

// SecretFile holds the deployer's client id and secret, mode 0600.
func (a *App) SecretFile() string { return filepath.Join(a.files, DeployerFile) }

// deployerSecret reads the secret's file; a state whose file is lost gets a new secret.
func (a *App) deployerSecret(ctx context.Context) error {
	content, err := os.ReadFile(a.SecretFile())
	if errors.Is(err, fs.ErrNotExist) {
		return a.newSecret(ctx)
	}
	if err != nil {
		return fmt.Errorf("reading the deployer's secret: %w", err)
	}
	var kept Deployer
	if err := json.Unmarshal(content, &kept); err != nil || kept.ClientID != a.Account.Deployer.ClientID {
		return fmt.Errorf("%s does not hold the secret of this state's deployer; remove the file to get a new one", a.SecretFile())
	}
	a.Account.Deployer.ClientSecret = kept.ClientSecret
	return nil
}

func (a *App) newSecret(ctx context.Context) error {
	secret, err := a.Directory.AddSecret(ctx, a.Account.Deployer.ObjectID, "aksess up", a.config.Now().Add(secretLifetime))
	if err != nil {
		return fmt.Errorf("making the deployer's secret: %w", err)
	}
	a.Account.Deployer.ClientSecret = secret
	content, err := json.MarshalIndent(a.Account.Deployer, "", "  ")
	if err != nil {
		return err
	}
	// In one step, for whoever reads it at this moment and for a kill in between.
	next := a.SecretFile() + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing the deployer's secret: %w", err)
	}
	if err := os.WriteFile(next, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the deployer's secret: %w", err)
	}
	if err := os.Rename(next, a.SecretFile()); err != nil {
		return fmt.Errorf("writing the deployer's secret: %w", err)
	}
	return nil
}
