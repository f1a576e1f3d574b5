package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

// Bounds of what is typed into the sign-in page.
const (
	maxUserName = 320 // characters of a mail address (RFC 3696)
	maxPassword = 1024
)

// Smart lockout, in Entra's default measure
// (https://learn.microsoft.com/entra/identity/authentication/howto-password-smart-lockout).
const (
	lockoutAfter = 10 // wrong passwords in a row
	lockoutFor   = time.Minute
)

// lockout counts the wrong passwords of one user since the last right one.
type lockout struct {
	Failures int       `json:"failures"`
	Until    time.Time `json:"until"` // when the count is forgotten, and a locked account opens
}

// signIn checks name and password of a user. A tenant without an id means that
// of the name's domain.
func (s *TokenService) signIn(ctx context.Context, tenant directory.Tenant, name, password string) (*directory.User, error) {
	name = strings.TrimSpace(name)
	if len(name) > maxUserName || len(password) > maxPassword {
		return nil, unknownUser.New(displayName(tenant))
	}
	tenant, err := s.tenantOf(ctx, tenant, name)
	if err != nil {
		return nil, err
	}
	now := s.options.Now()
	key := strings.ToLower(tenant.ID + "/" + name)
	if err := s.locked(ctx, key, now); err != nil {
		return nil, err
	}
	user, err := s.options.Directory.CheckPassword(ctx, tenant.ID, name, password)
	switch {
	case errors.Is(err, directory.ErrUserNotFound):
		return nil, unknownUser.New(displayName(tenant))
	case errors.Is(err, directory.ErrPasswordWrong):
		return nil, s.failed(ctx, key, now)
	case errors.Is(err, directory.ErrUserDisabled):
		return nil, disabledUser.New()
	case err != nil:
		return nil, fmt.Errorf("checking a password: %w", err)
	}
	// A guess that was under way when others locked the account does not count:
	// checking a password takes long, and many may wait for it.
	if err := s.locked(ctx, key, now); err != nil {
		return nil, err
	}
	if err := s.lockouts.Delete(ctx, key, store.Present()); err != nil && !errors.Is(err, store.ErrConflict) {
		return nil, err
	}
	return user, nil
}

// tenantOf finds the tenant of a user's name where the request names none.
func (s *TokenService) tenantOf(ctx context.Context, tenant directory.Tenant, name string) (directory.Tenant, error) {
	if tenant.ID != "" {
		return tenant, nil
	}
	_, domain, _ := strings.Cut(name, "@")
	if !chain.IsDomain(domain) {
		return tenant, unknownUser.New(displayName(tenant))
	}
	found, err := s.options.Directory.Tenant(ctx, domain)
	if errors.Is(err, directory.ErrTenantNotFound) {
		return tenant, unknownUser.New(displayName(tenant))
	}
	return found, err
}

func (s *TokenService) locked(ctx context.Context, key string, now time.Time) error {
	item, err := s.lockouts.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case item.Value.Failures >= lockoutAfter && now.Before(item.Value.Until):
		return lockedUser.New()
	}
	return nil
}

// failed counts a wrong password of a user that there is.
func (s *TokenService) failed(ctx context.Context, key string, now time.Time) error {
	_, err := s.lockouts.Update(ctx, key, func(l *lockout, exists bool) error {
		if !exists || !now.Before(l.Until) {
			l.Failures = 0
		}
		l.Failures++
		l.Until = now.Add(lockoutFor)
		return nil
	})
	if err != nil {
		return err
	}
	return wrongPassword.New()
}

// enabledUser returns the user that an earlier sign-in was by, if it may still sign in.
func (s *TokenService) enabledUser(ctx context.Context, tenant directory.Tenant, objectID string) (*directory.User, error) {
	user, err := s.options.Directory.User(ctx, objectID)
	switch {
	case errors.Is(err, directory.ErrUserNotFound):
		return nil, unknownUser.New(displayName(tenant))
	case err != nil:
		return nil, err
	case user.Disabled:
		return nil, disabledUser.New()
	}
	return user, nil
}

// password serves the resource owner password grant (RFC 6749, section 4.3):
// az login with a user name and a password.
func (s *TokenService) password(w http.ResponseWriter, x *exchange) error {
	name, err := x.form.require("username")
	if err != nil {
		return err
	}
	password, err := x.form.require("password")
	if err != nil {
		return err
	}
	asked, err := x.wish("")
	if err != nil {
		return err
	}
	client, shown, err := s.userClient(x)
	if err != nil {
		return err
	}
	user, err := s.signIn(x.Context(), x.tenant, name, password)
	if err != nil {
		return err
	}
	return s.answer(w, x, admission{user: user, client: client, shown: shown, asked: asked, from: s.newSession(user, client, asked)})
}

// signedIn notes a user's sign-in for the log and the trail.
func signedIn(user *directory.User, client application) (access.Principal, access.Verdict) {
	return access.Principal{TenantID: user.TenantID, ObjectID: user.ObjectID, AppID: client.id},
		access.Verdict{Allowed: true, Link: chain.LinkManagedIdentity, By: "sign-in of " + user.Name + " with " + client.name}
}

// realm tells a client how users of a domain prove who they are.
type realm struct {
	Version     string `json:"ver"`
	AccountType string `json:"account_type"`
	Domain      string `json:"domain_name,omitempty"`
	Cloud       string `json:"cloud_instance_name"`
	Audience    string `json:"cloud_audience_urn"`
}

// userRealm serves the discovery that comes before a password grant: users
// here have passwords of this directory, no domain is federated.
func (s *TokenService) userRealm(w http.ResponseWriter, r *azapi.Request) error {
	answer := realm{Version: "1.0", AccountType: "Unknown", Cloud: "microsoftonline.com", Audience: "urn:federation:MicrosoftOnline"}
	if _, domain, _ := strings.Cut(r.Param("user"), "@"); chain.IsDomain(domain) {
		_, err := s.options.Directory.Tenant(r.Context(), domain)
		switch {
		case err == nil:
			answer.AccountType, answer.Domain = "Managed", strings.ToLower(domain)
		case !errors.Is(err, directory.ErrTenantNotFound):
			return err
		}
	}
	return azapi.WriteJSON(w, http.StatusOK, answer)
}
