package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

// TestUser: a new state has a person who may do what the deployer may.
func TestUser(t *testing.T) {
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "state")
	a := open(t, app.Config{Dir: dir})
	user := a.Account.User
	checked, err := a.Directory.CheckPassword(ctx, a.Account.TenantID, user.Name, user.Password)
	if err != nil || checked.ObjectID != user.ObjectID || user.Name != "admin@aksess.onmicrosoft.com" {
		t.Fatalf("got %+v, %v, want %q with its password", checked, err, user.Name)
	}
	deployer, err := a.Directory.ByObjectID(ctx, a.Account.Deployer.ObjectID)
	if err != nil {
		t.Fatal(err)
	}
	for who, permissions := range map[string][]string{"user": checked.Directory, "deployer": deployer.Directory} {
		if !slices.Equal(permissions, []string{directory.ReadWriteAll}) {
			t.Errorf("%s: got %v, want %s", who, permissions, directory.ReadWriteAll)
		}
	}
	grants, err := a.Book.Grants(ctx, access.Principal{ObjectID: user.ObjectID})
	if err != nil || len(grants) != 1 || grants[0].Role.Name != "Owner" || grants[0].Assignment.PrincipalType != "User" {
		t.Errorf("got %+v, %v, want Owner of the subscription", grants, err)
	}
	content, err := os.ReadFile(a.SecretFile())
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		ClientSecret string
		User         struct{ Name, Password string }
	}
	if err := json.Unmarshal(content, &file); err != nil || file.User.Name != user.Name || file.User.Password != user.Password || file.ClientSecret == "" {
		t.Errorf("got %s, %v", content, err)
	}
	err = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == a.SecretFile() {
			return err
		}
		if content, err := os.ReadFile(path); err == nil && strings.Contains(string(content), user.Password) {
			t.Errorf("the password is in %s too", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestStateWithoutUser: what an older version left is completed, its secret stays.
func TestStateWithoutUser(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	first, err := app.Open(ctx, app.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	accounts := store.Collection[app.Account]{Store: first.Store, Kind: "app.state"}
	if _, err := accounts.Update(ctx, "account", func(a *app.Account, _ bool) error { a.User = app.User{}; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := first.Directory.DeleteUser(ctx, first.Account.User.ObjectID); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := json.Marshal(first.Account.Deployer)
	if err == nil {
		err = os.WriteFile(first.SecretFile(), old, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	second := open(t, app.Config{Dir: dir})
	if second.Account.Deployer != first.Account.Deployer {
		t.Errorf("deployer: got %+v, want the same", second.Account.Deployer.ClientID)
	}
	user := second.Account.User
	if _, err := second.Directory.CheckPassword(ctx, second.Account.TenantID, user.Name, user.Password); err != nil || user.Password == "" {
		t.Errorf("the new user: %v", err)
	}
	if content, err := os.ReadFile(second.SecretFile()); err != nil || !strings.Contains(string(content), user.Password) {
		t.Errorf("got %s, %v, want the password too", content, err)
	}
}
