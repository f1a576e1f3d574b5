package entra

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/aksess/aksess/internal/directory"
)

// delegation is what a user lets a client do: to act as the user on a resource.
type delegation struct {
	user   *directory.User
	client application
	scopes string // scp
}

// principal stands for the user where tokens are made for principals.
func (d *delegation) principal() *directory.Principal {
	return &directory.Principal{
		TenantID: d.user.TenantID, ObjectID: d.user.ObjectID, AppID: d.client.id, DisplayName: d.user.DisplayName,
	}
}

// digest covers what the claims of a user's token depend on, beside the principal.
func (d *delegation) digest() [sha256.Size]byte {
	return digest(d.user.Name, d.user.DisplayName, d.scopes)
}

// subject is the user's pairwise identifier for a client (OpenID Connect Core, section 8.1).
func (d *delegation) subject() string {
	sum := digest("sub", d.user.TenantID, d.user.ObjectID, d.client.id)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authenticationMethods is the amr of every sign-in here.
func authenticationMethods() []string { return []string{"pwd"} }

// defaultWids is the template of the directory role that every user has.
func defaultWids() []string { return []string{"b79fbf4d-3ef9-4689-8143-76b194e85509"} }

// userClaims1 are the claims of a v1 access token of a user, in Entra's order.
type userClaims1 struct {
	Audience         string   `json:"aud"`
	Issuer           string   `json:"iss"`
	IssuedAt         int64    `json:"iat"`
	NotBefore        int64    `json:"nbf"`
	Expiry           int64    `json:"exp"`
	ACR              string   `json:"acr"`
	AIO              string   `json:"aio"`
	Methods          []string `json:"amr"`
	AppID            string   `json:"appid"`
	AppAuth          method   `json:"appidacr"`
	IdentityProvider string   `json:"idp"`
	IdentityType     string   `json:"idtyp"`
	Name             string   `json:"name"`
	ObjectID         string   `json:"oid"`
	RH               string   `json:"rh"`
	Scopes           string   `json:"scp"`
	Subject          string   `json:"sub"`
	TenantID         string   `json:"tid"`
	UniqueName       string   `json:"unique_name"`
	UPN              string   `json:"upn"`
	UTI              string   `json:"uti"`
	Version          string   `json:"ver"`
	Wids             []string `json:"wids"`
	Capabilities     []string `json:"xms_cc,omitempty"`
}

// userClaims2 are the claims of a v2 access token of a user.
type userClaims2 struct {
	Audience     string   `json:"aud"`
	Issuer       string   `json:"iss"`
	IssuedAt     int64    `json:"iat"`
	NotBefore    int64    `json:"nbf"`
	Expiry       int64    `json:"exp"`
	AIO          string   `json:"aio"`
	AppID        string   `json:"azp"`
	AppAuth      method   `json:"azpacr"`
	Name         string   `json:"name"`
	ObjectID     string   `json:"oid"`
	Username     string   `json:"preferred_username"`
	RH           string   `json:"rh"`
	Scopes       string   `json:"scp"`
	Subject      string   `json:"sub"`
	TenantID     string   `json:"tid"`
	UTI          string   `json:"uti"`
	Version      string   `json:"ver"`
	Capabilities []string `json:"xms_cc,omitempty"`
}

func newUserClaims1(g grant, token Token, random []byte) userClaims1 {
	uti, aio, rh, _ := opaque(random)
	user, iss := g.user.user, issuerOf(version1, g.client.TenantID)
	return userClaims1{
		Audience: g.resource.audience, Issuer: iss, IdentityProvider: iss,
		IssuedAt: token.Issued.Add(-backdate).Unix(), NotBefore: token.Issued.Add(-backdate).Unix(), Expiry: token.Expires.Unix(),
		ACR: "1", Methods: authenticationMethods(), AppID: g.client.AppID, AppAuth: g.proof.method, IdentityType: "user",
		Name: user.DisplayName, ObjectID: user.ObjectID, Scopes: g.user.scopes, Subject: g.user.subject(),
		TenantID: user.TenantID, UniqueName: user.Name, UPN: user.Name,
		UTI: uti, AIO: aio, RH: rh, Version: "1.0", Wids: defaultWids(), Capabilities: g.capabilities(),
	}
}

func newUserClaims2(g grant, token Token, random []byte) userClaims2 {
	uti, aio, rh, _ := opaque(random)
	user := g.user.user
	return userClaims2{
		Audience: g.resource.audience, Issuer: issuerOf(version2, g.client.TenantID),
		IssuedAt: token.Issued.Add(-backdate).Unix(), NotBefore: token.Issued.Add(-backdate).Unix(), Expiry: token.Expires.Unix(),
		AppID: g.client.AppID, AppAuth: g.proof.method, Name: user.DisplayName, ObjectID: user.ObjectID, Username: user.Name,
		Scopes: g.user.scopes, Subject: g.user.subject(), TenantID: user.TenantID,
		UTI: uti, AIO: aio, RH: rh, Version: "2.0", Capabilities: g.capabilities(),
	}
}

// idClaims are the claims of an id token (OpenID Connect Core, section 2;
// https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference).
// It tells the client who signed in and opens nothing: it names no client in
// appid or azp, without which it is no access token.
type idClaims struct {
	Audience  string `json:"aud"`
	Issuer    string `json:"iss"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expiry    int64  `json:"exp"`
	Email     string `json:"email,omitempty"`
	Name      string `json:"name,omitempty"`
	Nonce     string `json:"nonce,omitempty"`
	ObjectID  string `json:"oid"`
	Username  string `json:"preferred_username,omitempty"`
	Subject   string `json:"sub"`
	TenantID  string `json:"tid"`
	UPN       string `json:"upn,omitempty"`
	Unique    string `json:"unique_name,omitempty"`
	Version   string `json:"ver"`
}

func newIDClaims(v version, d *delegation, w wish, nonce string, token Token) idClaims {
	claims := idClaims{
		Audience: d.client.id, Issuer: issuerOf(v, d.user.TenantID), Nonce: nonce,
		IssuedAt: token.Issued.Add(-backdate).Unix(), NotBefore: token.Issued.Add(-backdate).Unix(), Expiry: token.Expires.Unix(),
		ObjectID: d.user.ObjectID, Subject: d.subject(), TenantID: d.user.TenantID, Version: "2.0",
	}
	if v == version1 {
		claims.Version, claims.Name, claims.UPN, claims.Unique = "1.0", d.user.DisplayName, d.user.Name, d.user.Name
		return claims
	}
	if w.has("profile") {
		claims.Name, claims.Username = d.user.DisplayName, d.user.Name
	}
	if w.has("email") {
		claims.Email = d.user.Mail
	}
	return claims
}

// clientInfo names the account for the client's cache of tokens.
func clientInfo(user *directory.User) string {
	info, _ := json.Marshal(struct { // of two strings
		UID  string `json:"uid"`
		UTID string `json:"utid"`
	}{user.ObjectID, user.TenantID})
	return base64.RawURLEncoding.EncodeToString(info)
}
