package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

// maxUserName is the most characters of a user principal name: 64 before the @, 48 after it
// (https://learn.microsoft.com/entra/identity/hybrid/connect/plan-connect-userprincipalname).
const maxUserName = 113

// CreateUser writes a user under a fresh object id, or under the one that is
// given. The name's domain is the tenant's. A user without a password, "",
// cannot sign in until SetPassword.
// Errors: ErrInvalid, ErrPasswordWeak, ErrTenantNotFound, ErrUserExists.
func (d *Directory) CreateUser(ctx context.Context, u User, password string) (*User, error) {
	u.TenantID, u.ObjectID, u.Created = fold(u.TenantID), fold(u.ObjectID), d.now()
	if u.ObjectID == "" {
		u.ObjectID = fold(d.options.NewID())
	}
	if err := d.checkUser(ctx, &u); err != nil {
		return nil, err
	}
	if password != "" {
		if err := d.setPassword(ctx, &u, password); err != nil {
			return nil, err
		}
	}
	write, err := d.users.PutOp(u.ObjectID, u, store.Absent())
	if err != nil {
		return nil, err
	}
	index, err := d.userNames.PutOp(appKey(u.TenantID, u.Name), reference{To: u.ObjectID}, store.Absent())
	if err != nil {
		return nil, err
	}
	tenant := store.Op{Kind: d.tenants.Kind, Key: u.TenantID, Check: true, If: store.Present()}
	var conflict *store.ConflictError
	switch _, err := d.store.Apply(ctx, tenant, index, write); {
	case errors.As(err, &conflict) && conflict.Index == 0:
		return nil, fmt.Errorf("%w: %q", ErrTenantNotFound, u.TenantID)
	case errors.As(err, &conflict):
		return nil, fmt.Errorf("%w: %q", ErrUserExists, u.Name)
	case err != nil:
		return nil, fmt.Errorf("writing user %s: %w", u.ObjectID, err)
	}
	return &u, nil
}

// checkUser refuses ids and names that cannot be.
func (d *Directory) checkUser(ctx context.Context, u *User) error {
	if !chain.IsGUID(u.TenantID) || !chain.IsGUID(u.ObjectID) {
		return fmt.Errorf("%w: user %q of tenant %q", ErrInvalid, u.ObjectID, u.TenantID)
	}
	tenant, err := d.Tenant(ctx, u.TenantID)
	if err != nil {
		return err
	}
	local, domain, found := strings.Cut(u.Name, "@")
	if !found || !validLocal(local) || len(u.Name) > maxUserName {
		return fmt.Errorf("%w: user principal name %.128q", ErrInvalid, u.Name)
	}
	if fold(domain) != fold(tenant.Domain) {
		return fmt.Errorf("%w: the domain of %.128q is not the tenant's, %q", ErrInvalid, u.Name, tenant.Domain)
	}
	if u.DisplayName == "" {
		return fmt.Errorf("%w: a user without a name to show", ErrInvalid)
	}
	return nil
}

// validLocal takes the letters that a user principal name may have before its @.
func validLocal(local string) bool {
	if local == "" || len(local) > 64 || strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") {
		return false
	}
	return strings.IndexFunc(local, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("'.-_!#^~+", r)
	}) < 0
}

// User returns a user by its object id, or ErrUserNotFound. The user is shared
// and must not be modified.
func (d *Directory) User(ctx context.Context, objectID string) (*User, error) {
	return d.user(ctx, cacheKey{by: byUserID, id: fold(objectID)})
}

// UserByName returns a user by its user principal name, compared without case,
// or ErrUserNotFound. The user is shared and must not be modified.
func (d *Directory) UserByName(ctx context.Context, tenantID, name string) (*User, error) {
	return d.user(ctx, cacheKey{by: byUserName, tenant: fold(tenantID), id: fold(name)})
}

func (d *Directory) user(ctx context.Context, key cacheKey) (*User, error) {
	entry, err := d.cached(ctx, key, d.readUser)
	if err != nil {
		return nil, err
	}
	return entry.user, nil
}

func (d *Directory) readUser(ctx context.Context, key cacheKey, have *cacheEntry) (*cacheEntry, error) {
	id := key.id
	if key.by == byUserName {
		item, err := d.userNames.Get(ctx, appKey(key.tenant, key.id))
		if err != nil {
			return nil, notFound(err, ErrUserNotFound, key.id)
		}
		id = item.Value.To
	}
	doc, err := d.store.Get(ctx, d.users.Kind, id)
	if err != nil {
		return nil, notFound(err, ErrUserNotFound, key.id)
	}
	if have != nil && have.version == doc.Version {
		return have, nil
	}
	u := new(User)
	if err := json.Unmarshal(doc.Value, u); err != nil {
		return nil, fmt.Errorf("decoding user %s: %w", id, err)
	}
	return &cacheEntry{version: doc.Version, user: u}, nil
}

// ListUsers returns one page of the users of all tenants, in the order of
// their object ids; q.Prefix, After and Before are object ids.
func (d *Directory) ListUsers(ctx context.Context, q store.Query) (users []*User, more bool, err error) {
	items, more, err := d.users.List(ctx, q)
	if err != nil {
		return nil, false, fmt.Errorf("listing users: %w", err)
	}
	for i := range items {
		users = append(users, &items[i].Value)
	}
	return users, more, nil
}

// UpdateUser changes a user as often as it takes to do so without losing
// another writer's change, and returns the result. Its name may change.
// Errors: ErrUserNotFound, ErrInvalid, ErrUserExists, ErrImmutable for ids, and
// those of change. Passwords are written with SetPassword.
func (d *Directory) UpdateUser(ctx context.Context, objectID string, change func(*User) error) (*User, error) {
	for {
		item, err := d.users.Get(ctx, fold(objectID))
		if err != nil {
			return nil, notFound(err, ErrUserNotFound, objectID)
		}
		u := item.Value
		if err := change(&u); err != nil {
			return nil, err
		}
		if u.TenantID != item.Value.TenantID || u.ObjectID != item.Value.ObjectID {
			return nil, fmt.Errorf("%w: ids of user %s", ErrImmutable, objectID)
		}
		if err := d.checkUser(ctx, &u); err != nil {
			return nil, err
		}
		ops, err := d.updateOps(item, u)
		if err != nil {
			return nil, err
		}
		_, err = d.store.Apply(ctx, ops...)
		var conflict *store.ConflictError
		switch {
		case err == nil:
			return &u, nil
		case !errors.As(err, &conflict):
			return nil, fmt.Errorf("writing user %s: %w", objectID, err)
		case conflict.Index > 0: // the name: the user itself is as it was read
			return nil, fmt.Errorf("%w: %q", ErrUserExists, u.Name)
		}
	}
}

// updateOps writes the user first and then moves its name.
func (d *Directory) updateOps(before store.Item[User], u User) ([]store.Op, error) {
	write, err := d.users.PutOp(before.Key, u, store.At(before.Version))
	old, now := appKey(u.TenantID, before.Value.Name), appKey(u.TenantID, u.Name)
	if err != nil || old == now {
		return []store.Op{write}, err
	}
	index, err := d.userNames.PutOp(now, reference{To: u.ObjectID}, store.Absent())
	return []store.Op{write, index, d.userNames.DeleteOp(old, store.Always())}, err
}

// DeleteUser removes a user and takes it out of its groups, or returns
// ErrUserNotFound. Role assignments and access policies that name it stay.
func (d *Directory) DeleteUser(ctx context.Context, objectID string) error {
	for {
		item, err := d.users.Get(ctx, fold(objectID))
		if err != nil {
			return notFound(err, ErrUserNotFound, objectID)
		}
		ops, err := d.forgetOps(ctx, item.Key)
		if err != nil {
			return err
		}
		ops = append(ops, d.users.DeleteOp(item.Key, store.At(item.Version)),
			d.userNames.DeleteOp(appKey(item.Value.TenantID, item.Value.Name), store.Always()))
		if _, err = d.store.Apply(ctx, ops...); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}
