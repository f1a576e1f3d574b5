package directory

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/store"
)

const password = "correct Horse 7"

// quick makes passwords cheap.
func quick(t testing.TB) (*Directory, *counting, *clock) {
	t.Helper()
	d, s, c := start(t)
	d.options.PasswordWork = 10
	return d, s, c
}

func person(t testing.TB, d *Directory, name string) *User {
	t.Helper()
	u, err := d.CreateUser(t.Context(), User{TenantID: tenantID, Name: name + "@contoso.onmicrosoft.com", DisplayName: name}, password)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestCreateUser(t *testing.T) {
	d, _, c := quick(t)
	ctx := t.Context()
	ada := person(t, d, "Ada")
	if !ada.Created.Equal(c.Now()) || len(ada.Digest) == 0 || strings.Contains(string(ada.Digest), password) {
		t.Errorf("got %+v", ada)
	}
	for _, name := range []string{"Ada@contoso.onmicrosoft.com", "ada@Contoso.OnMicrosoft.com"} {
		if got, err := d.UserByName(ctx, strings.ToUpper(tenantID), name); err != nil || got.ObjectID != ada.ObjectID {
			t.Errorf("UserByName(%q): got %+v, %v", name, got, err)
		}
	}
	if got, err := d.User(ctx, strings.ToUpper(ada.ObjectID)); err != nil || got.Name != ada.Name {
		t.Errorf("got %+v, %v", got, err)
	}
	tests := map[string]struct {
		user     User
		password string
		want     error
	}{
		"name_taken":     {User{TenantID: tenantID, Name: "ADA@contoso.onmicrosoft.com", DisplayName: "a"}, password, ErrUserExists},
		"other_domain":   {User{TenantID: tenantID, Name: "ada@fabrikam.com", DisplayName: "a"}, password, ErrInvalid},
		"no_domain":      {User{TenantID: tenantID, Name: "bob", DisplayName: "a"}, password, ErrInvalid},
		"bad_letter":     {User{TenantID: tenantID, Name: "b/b@contoso.onmicrosoft.com", DisplayName: "a"}, password, ErrInvalid},
		"no_name":        {User{TenantID: tenantID, Name: "bob@contoso.onmicrosoft.com"}, password, ErrInvalid},
		"too_long":       {User{TenantID: tenantID, Name: strings.Repeat("b", 65) + "@contoso.onmicrosoft.com", DisplayName: "a"}, "", ErrInvalid},
		"short_password": {User{TenantID: tenantID, Name: "bob@contoso.onmicrosoft.com", DisplayName: "a"}, "Ab1!", ErrPasswordWeak},
		"easy_password":  {User{TenantID: tenantID, Name: "bob@contoso.onmicrosoft.com", DisplayName: "a"}, "abcdefgh1", ErrPasswordWeak},
		"no_tenant":      {User{TenantID: "33333333-3333-3333-3333-333333333333", Name: "bob@contoso.onmicrosoft.com", DisplayName: "a"}, password, ErrTenantNotFound},
	}
	for name, test := range tests {
		if _, err := d.CreateUser(ctx, test.user, test.password); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func TestUpdateUserMovesTheName(t *testing.T) {
	d, _, _ := quick(t)
	ctx := t.Context()
	ada, bob := person(t, d, "ada"), person(t, d, "bob")
	rename := func(name string) error {
		_, err := d.UpdateUser(ctx, ada.ObjectID, func(u *User) error { u.Name = name; return nil })
		return err
	}
	if err := rename(bob.Name); !errors.Is(err, ErrUserExists) {
		t.Errorf("got %v, want ErrUserExists", err)
	}
	if err := rename("countess@contoso.onmicrosoft.com"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.UserByName(ctx, tenantID, ada.Name); !errors.Is(err, ErrUserNotFound) {
		t.Errorf("old name: got %v, want ErrUserNotFound", err)
	}
	if got, err := d.UserByName(ctx, tenantID, "countess@contoso.onmicrosoft.com"); err != nil || got.ObjectID != ada.ObjectID {
		t.Errorf("new name: got %+v, %v", got, err)
	}
	_, err := d.UpdateUser(ctx, ada.ObjectID, func(u *User) error { u.ObjectID = bob.ObjectID; return nil })
	if !errors.Is(err, ErrImmutable) {
		t.Errorf("got %v, want ErrImmutable", err)
	}
	if err := d.DeleteUser(ctx, ada.ObjectID); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteUser(ctx, ada.ObjectID); !errors.Is(err, ErrUserNotFound) {
		t.Errorf("got %v, want ErrUserNotFound", err)
	}
	if _, err := d.UserByName(ctx, tenantID, "countess@contoso.onmicrosoft.com"); !errors.Is(err, ErrUserNotFound) {
		t.Errorf("deleted: got %v, want ErrUserNotFound", err)
	}
	users, more, err := d.ListUsers(ctx, store.Query{})
	if err != nil || more || len(users) != 1 || users[0].Name != bob.Name {
		t.Errorf("got %+v, %v, %v, want bob", users, more, err)
	}
}

func TestCheckPassword(t *testing.T) {
	d, _, _ := quick(t)
	ctx := t.Context()
	ada := person(t, d, "ada")
	check := func(name, password string, want error) {
		t.Helper()
		u, err := d.CheckPassword(ctx, tenantID, name+"@contoso.onmicrosoft.com", password)
		if !errors.Is(err, want) || (err == nil) != (u != nil) {
			t.Errorf("%s with %.20q: got %v, %v, want %v", name, password, u, err, want)
		}
	}
	check("ADA", password, nil)
	check("ada", "Correct horse 7", ErrPasswordWrong)
	check("ada", "", ErrPasswordWrong)
	check("ada", strings.Repeat("x", 1<<20), ErrPasswordWrong)
	check("bob", password, ErrUserNotFound)

	made, err := d.NewPassword(ctx, ada.ObjectID)
	if err != nil || len(made) < 20 {
		t.Fatalf("got %q, %v", made, err)
	}
	check("ada", made, nil)
	check("ada", password, ErrPasswordWrong)
	if err := d.SetPassword(ctx, ada.ObjectID, "short"); !errors.Is(err, ErrPasswordWeak) {
		t.Errorf("got %v, want ErrPasswordWeak", err)
	}
	if err := d.SetPassword(ctx, ada.ObjectID, password); err != nil {
		t.Fatal(err)
	}
	check("ada", password, nil)
	check("ada", made, ErrPasswordWrong)

	if _, err := d.UpdateUser(ctx, ada.ObjectID, func(u *User) error { u.Disabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	check("ada", password, ErrUserDisabled)
	check("ada", "wrong", ErrPasswordWrong)

	if _, err := d.CreateUser(ctx, User{TenantID: tenantID, Name: "nopass@contoso.onmicrosoft.com", DisplayName: "n"}, ""); err != nil {
		t.Fatal(err)
	}
	check("nopass", "", ErrPasswordWrong)
	check("nopass", password, ErrPasswordWrong)
	if err := d.SetPassword(ctx, "nobody", password); !errors.Is(err, ErrUserNotFound) {
		t.Errorf("got %v, want ErrUserNotFound", err)
	}
}

// Whoever waits for the digest of another's password stops when its request ends.
func TestCheckPasswordEndsWithItsRequest(t *testing.T) {
	d, _, _ := quick(t)
	person(t, d, "ada")
	d.hashing <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := d.CheckPassword(ctx, tenantID, "ada@contoso.onmicrosoft.com", password); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the request's end", err)
	}
}
