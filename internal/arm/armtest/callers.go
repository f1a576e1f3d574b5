package armtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
)

// Callers. Each is its own token.
const (
	Owner       = "owner"       // Owner of the subscription
	Contributor = "contributor" // Contributor of the subscription
	Reader      = "reader"      // Reader of the subscription
	InGroup     = "in-group"    // Contributor of the group rg
	Nobody      = "nobody"      // no role at all
	Elsewhere   = "elsewhere"   // a token for another audience
	Foreign     = "foreign"     // a token of another tenant
	User        = "user"        // a user without a role, of the name UserName
)

// UserName is the name of User.
const UserName = "ada@contoso.onmicrosoft.com"

// ObjectID and AppID are the ids of a caller.
func ObjectID(caller string) string { return guid('a', caller) }

// AppID is the client id of a caller.
func AppID(caller string) string { return guid('b', caller) }

// guid makes a GUID of a caller's name, the same every time.
func guid(kind byte, name string) string {
	sum := uint64(kind)
	for _, c := range []byte(name) {
		sum = sum*131 + uint64(c)
	}
	return fmt.Sprintf("%c%07x-0000-4000-8000-%012x", kind, sum%0xfffffff, sum%0xffffffffffff)
}

// tokens takes a token as the name of its caller.
type tokens struct{}

func (tokens) Authenticate(_ context.Context, token string) (azapi.Caller, error) {
	if strings.HasPrefix(token, "bad") {
		return azapi.Caller{}, errors.New("the signature does not verify")
	}
	caller := azapi.Caller{
		Principal: access.Principal{TenantID: TenantID, ObjectID: ObjectID(token), AppID: AppID(token)},
		Scheme:    "Bearer", Audience: "https://management.azure.com/",
	}
	switch token {
	case Elsewhere:
		caller.Audience = "https://vault.azure.net"
	case User:
		caller.UserName = UserName
	case Foreign:
		caller.TenantID = "99999999-9999-9999-9999-999999999999"
	}
	return caller, nil
}

// roles are the fixed roles of the callers.
type roles struct{}

func (roles) Grants(_ context.Context, p access.Principal) ([]access.Grant, error) {
	for caller, held := range map[string][2]string{
		Owner: {"Owner", S}, Contributor: {"Contributor", S}, Reader: {"Reader", S}, InGroup: {"Contributor", RG},
	} {
		if p.ObjectID != ObjectID(caller) {
			continue
		}
		role, found := access.BuiltinRole(held[0])
		if !found {
			return nil, fmt.Errorf("no built-in role %q", held[0])
		}
		return []access.Grant{{Role: role, Assignment: access.Assignment{Scope: held[1], RoleID: role.ID, PrincipalID: p.ObjectID}}}, nil
	}
	return nil, nil
}
