package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

// pages runs through one of the directory's lists.
func pages[T any](ctx context.Context, list func(context.Context, store.Query) ([]T, bool, error), after string, key func(T) string, each func(T) bool) error {
	for {
		found, more, err := list(ctx, store.Query{After: strings.ToLower(after)})
		if err != nil {
			return err
		}
		for _, one := range found {
			after = key(one)
			if !each(one) {
				return nil
			}
		}
		if !more || len(found) == 0 {
			return nil
		}
	}
}

func (g *Graph) users(r *azapi.Request) scan {
	return func(after string, yield func(string, object) bool) error {
		return pages(r.Context(), g.Directory.ListUsers, after, func(u *directory.User) string { return u.ObjectID }, func(u *directory.User) bool {
			return !strings.EqualFold(u.TenantID, r.Caller.TenantID) || yield(u.ObjectID, viewUser(u))
		})
	}
}

func (g *Graph) listUsers(w http.ResponseWriter, r *azapi.Request) error {
	q, err := readQuery(r, userKind())
	if err != nil {
		return err
	}
	return writeList(w, r, q, g.users(r))
}

func (g *Graph) countUsers(w http.ResponseWriter, r *azapi.Request) error {
	return writeCount(w, r, userKind(), g.users(r))
}

// user finds a user of the caller's tenant by object id or user principal name.
func (g *Graph) user(r *azapi.Request, id string) (*directory.User, error) {
	find := func() (*directory.User, error) { return g.Directory.UserByName(r.Context(), r.Caller.TenantID, id) }
	if chain.IsGUID(id) {
		find = func() (*directory.User, error) { return g.Directory.User(r.Context(), id) }
	}
	u, err := find()
	if err == nil && !strings.EqualFold(u.TenantID, r.Caller.TenantID) {
		err = directory.ErrUserNotFound
	}
	if err != nil {
		return nil, wire(err, userKind(), id)
	}
	return u, nil
}

func (g *Graph) getUser(w http.ResponseWriter, r *azapi.Request) error {
	return g.writeUser(w, r, id(r))
}

func (g *Graph) writeUser(w http.ResponseWriter, r *azapi.Request, id string) error {
	u, err := g.user(r, id)
	if err != nil {
		return err
	}
	return writeObject(w, r, userKind(), http.StatusOK, viewUser(u))
}

// getManager finds none: the directory keeps no managers, and clients that read
// a user ask for its own.
func (g *Graph) getManager(_ http.ResponseWriter, r *azapi.Request) error {
	if _, err := g.user(r, id(r)); err != nil {
		return err
	}
	return notFound.New("manager")
}

func (g *Graph) createUser(w http.ResponseWriter, r *azapi.Request) error {
	b, err := readBody(r)
	if err != nil {
		return err
	}
	k := userKind()
	if err := b.needs(k, "accountEnabled", "displayName", "mailNickname", "passwordProfile", "userPrincipalName"); err != nil {
		return err
	}
	u := directory.User{TenantID: r.Caller.TenantID}
	password, err := changeUser(&u, b)
	if err != nil {
		return err
	}
	if password == "" {
		return needProperty.New("password", k.name)
	}
	made, err := g.Directory.CreateUser(r.Context(), u, password)
	if err != nil {
		return g.userError(r, err, u.Name)
	}
	w.Header().Set("Location", r.BaseURL()+"/"+version(r)+"/users/"+made.ObjectID)
	return writeObject(w, r, k, http.StatusCreated, viewUser(made))
}

// userError tells a name of another domain apart from other invalid values.
func (g *Graph) userError(r *azapi.Request, err error, name string) error {
	if !errors.Is(err, directory.ErrInvalid) {
		return wire(err, userKind(), name)
	}
	_, domain, _ := strings.Cut(name, "@")
	tenant, failed := g.Directory.Tenant(r.Context(), r.Caller.TenantID)
	if failed == nil && !strings.EqualFold(domain, tenant.Domain) {
		return badName.New().With(err)
	}
	return badProperty.New("userPrincipalName", userKind().name).With(err)
}

// changeUser puts the body into the user and returns the password that it has.
func changeUser(u *directory.User, b body) (password string, err error) {
	k := userKind()
	for _, property := range b.names() {
		raw := b[property]
		switch property {
		case "displayName":
			u.DisplayName, err = name(k, property, raw)
		case "userPrincipalName":
			u.Name, err = name(k, property, raw)
		case "mail":
			u.Mail, err = optional(k, property, raw)
		case "accountEnabled":
			var on bool
			on, err = enabled(k, property, raw)
			u.Disabled = !on
		case "passwordProfile":
			password, err = readPassword(raw)
		default:
			err = k.take(&u.Profile, property, raw)
		}
		if err != nil {
			return "", err
		}
	}
	return password, nil
}

// readPassword reads a passwordProfile. That a password has to be changed at the
// next sign-in is taken and not acted on.
func readPassword(raw json.RawMessage) (string, error) {
	var profile struct {
		Password string `json:"password"`
	}
	if json.Unmarshal(raw, &profile) != nil {
		return "", badProperty.New("passwordProfile", userKind().name)
	}
	return profile.Password, nil
}

func (g *Graph) updateUser(w http.ResponseWriter, r *azapi.Request) error {
	u, err := g.user(r, id(r))
	if err != nil {
		return err
	}
	b, err := readBody(r)
	if err != nil {
		return err
	}
	password := ""
	changed, err := g.Directory.UpdateUser(r.Context(), u.ObjectID, func(u *directory.User) (err error) {
		password, err = changeUser(u, b)
		if err == nil && password != "" {
			err = directory.ValidPassword(password) // before anything is written
		}
		return err
	})
	if err == nil && password != "" {
		err = g.Directory.SetPassword(r.Context(), u.ObjectID, password)
	}
	if err != nil {
		name := u.Name
		if changed == nil {
			_ = b.into("userPrincipalName", userKind(), &name) // was read before, or is what err is about
		}
		return g.userError(r, err, name)
	}
	return noContent(w)
}

func (g *Graph) deleteUser(w http.ResponseWriter, r *azapi.Request) error {
	u, err := g.user(r, id(r))
	if err != nil {
		return err
	}
	if err := g.Directory.DeleteUser(r.Context(), u.ObjectID); err != nil {
		return wire(err, userKind(), id(r))
	}
	return noContent(w)
}
