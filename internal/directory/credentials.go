package directory

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/federation"
	"github.com/aksess/aksess/internal/store"
)

// PutCredential writes a federated credential under an identity and reports
// whether it is new. The condition is about the credential of that name, which
// compares without case: store.Absent creates only, store.Present updates only.
// Id, creation time and the spelling of the name of an existing credential stay.
//
// Errors: ErrPrincipalNotFound, ErrCredentialExists, ErrCredentialNotFound,
// *federation.Error for what breaks a rule, and ErrConcurrentWrites while
// another federated credential of the identity is being written: Azure has one
// writer at a time per identity and leaves it to the client to come again.
func (d *Directory) PutCredential(ctx context.Context, objectID string, c FederatedCredential, condition store.Condition) (credential FederatedCredential, created bool, err error) {
	err = d.writeCredentials(ctx, objectID, func(p *Principal) error {
		at := p.credential(c.Name)
		created = at < 0
		if !condition.Holds(!created, 0) {
			return refused(created, c.Name)
		}
		if err := federation.Validate(federation.Credential{Name: c.Name, Issuer: c.Issuer, Subject: c.Subject, Audiences: c.Audiences}, p.Matchable()); err != nil {
			return err
		}
		credential = d.merge(p, at, c)
		return nil
	})
	return credential, created, err
}

func refused(absent bool, name string) error {
	if absent {
		return fmt.Errorf("%w: %.128q", ErrCredentialNotFound, name)
	}
	return fmt.Errorf("%w: %.128q", ErrCredentialExists, name)
}

// merge puts the credential at its place, at < 0 for a new one, and returns it as stored.
func (d *Directory) merge(p *Principal, at int, c FederatedCredential) FederatedCredential {
	now := d.now()
	c.Audiences = slices.Clone(c.Audiences)
	if at < 0 {
		c.ID, c.Created, c.Updated = d.options.NewID(), now, now
		p.Federated = append(p.Federated, c)
		return c
	}
	have := p.Federated[at]
	c.ID, c.Name, c.Created, c.Updated = have.ID, have.Name, have.Created, have.Updated
	if c.Issuer != have.Issuer || c.Subject != have.Subject || !slices.Equal(c.Audiences, have.Audiences) {
		c.Updated = now
	}
	p.Federated[at] = c
	return c
}

// DeleteCredential removes a federated credential.
// Errors: ErrPrincipalNotFound, ErrCredentialNotFound, ErrConcurrentWrites.
func (d *Directory) DeleteCredential(ctx context.Context, objectID, name string) error {
	return d.writeCredentials(ctx, objectID, func(p *Principal) error {
		at := p.credential(name)
		if at < 0 {
			return refused(true, name)
		}
		p.Federated = slices.Delete(p.Federated, at, at+1)
		return nil
	})
}

// Credential returns one federated credential of an identity, or ErrCredentialNotFound.
func (d *Directory) Credential(ctx context.Context, objectID, name string) (FederatedCredential, error) {
	p, err := d.registered(ctx, objectID)
	if err != nil {
		return FederatedCredential{}, err
	}
	at := p.credential(name)
	if at < 0 {
		return FederatedCredential{}, refused(true, name)
	}
	return p.Federated[at], nil
}

// Credentials returns the federated credentials of an identity in the order of
// their names.
func (d *Directory) Credentials(ctx context.Context, objectID string) ([]FederatedCredential, error) {
	p, err := d.registered(ctx, objectID)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(slices.Values(p.Federated), func(a, b FederatedCredential) int {
		return strings.Compare(fold(a.Name), fold(b.Name))
	}), nil
}

// credential returns the index of the federated credential of that name, or -1.
func (p *Principal) credential(name string) int {
	return slices.IndexFunc(p.Federated, func(c FederatedCredential) bool { return strings.EqualFold(c.Name, name) })
}

// writeCredentials changes the federated credentials of an identity. It refuses
// when they are being written: in this process by the mark, in another one by
// the version of the document.
func (d *Directory) writeCredentials(ctx context.Context, objectID string, change func(*Principal) error) error {
	key := fold(objectID)
	if !d.begin(key) {
		return d.concurrent(ctx, objectID)
	}
	defer d.end(key)
	var before []FederatedCredential
	for first := true; ; first = false {
		item, err := d.principals.Get(ctx, key)
		if err != nil {
			return notFound(err, ErrPrincipalNotFound, objectID)
		}
		if first {
			before = slices.Clone(item.Value.Federated)
		} else if !reflect.DeepEqual(before, item.Value.Federated) {
			return d.concurrent(ctx, objectID)
		}
		if err := change(&item.Value); err != nil {
			return err
		}
		_, err = d.principals.Put(ctx, key, item.Value, store.At(item.Version))
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		// Something else of the principal changed, a secret perhaps: that is no reason to refuse.
	}
}

func (d *Directory) begin(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writing[key] {
		return false
	}
	d.writing[key] = true
	return true
}

func (d *Directory) end(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.writing, key)
}

// concurrent names the identity as Azure does: by its resource id, where it has one.
func (d *Directory) concurrent(ctx context.Context, objectID string) error {
	p, err := d.registered(ctx, objectID)
	if err != nil {
		return err
	}
	name := p.ResourceID
	if name == "" {
		name = p.ObjectID
	}
	return ErrConcurrentWrites.New(name)
}
