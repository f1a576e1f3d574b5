package entra

import "encoding/base64"

// claims1 are the claims of a v1 access token of an application, in Entra's
// order (https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference).
type claims1 struct {
	Audience         string   `json:"aud"`
	Issuer           string   `json:"iss"`
	IssuedAt         int64    `json:"iat"`
	NotBefore        int64    `json:"nbf"`
	Expiry           int64    `json:"exp"`
	AIO              string   `json:"aio"` // opaque
	AppID            string   `json:"appid"`
	AppAuth          method   `json:"appidacr"`
	IdentityProvider string   `json:"idp"`
	IdentityType     string   `json:"idtyp"`
	ObjectID         string   `json:"oid"`
	RH               string   `json:"rh"` // opaque
	Subject          string   `json:"sub"`
	TenantID         string   `json:"tid"`
	UTI              string   `json:"uti"` // the token's id, as sign-in logs show it
	Version          string   `json:"ver"`
	Capabilities     []string `json:"xms_cc,omitempty"`
	ResourceID       string   `json:"xms_mirid,omitempty"`
}

// claims2 are the claims of a v2 access token of an application.
type claims2 struct {
	Audience     string   `json:"aud"`
	Issuer       string   `json:"iss"`
	IssuedAt     int64    `json:"iat"`
	NotBefore    int64    `json:"nbf"`
	Expiry       int64    `json:"exp"`
	AIO          string   `json:"aio"`
	AppID        string   `json:"azp"`
	AppAuth      method   `json:"azpacr"`
	ObjectID     string   `json:"oid"`
	RH           string   `json:"rh"`
	Subject      string   `json:"sub"`
	TenantID     string   `json:"tid"`
	UTI          string   `json:"uti"`
	Version      string   `json:"ver"`
	Capabilities []string `json:"xms_cc,omitempty"`
	Features     string   `json:"xms_ftd"` // opaque
	ResourceID   string   `json:"xms_mirid,omitempty"`
}

// randomBytes is what the opaque claims of a token are made from.
const randomBytes = 16 + 30 + 32 + 32

// opaque returns uti, aio, rh and xms_ftd in the lengths that Entra's have.
func opaque(random []byte) (uti, aio, rh, ftd string) {
	b64 := base64.RawURLEncoding
	return b64.EncodeToString(random[:16]), "k2Rg" + b64.EncodeToString(random[16:46]),
		"1." + b64.EncodeToString(random[46:78]) + ".", b64.EncodeToString(random[78:])
}

func newClaims1(g grant, token Token, random []byte) claims1 {
	uti, aio, rh, _ := opaque(random)
	iss := issuerOf(version1, g.client.TenantID)
	return claims1{
		Audience: g.resource.audience, Issuer: iss, IdentityProvider: iss,
		IssuedAt: token.Issued.Add(-backdate).Unix(), NotBefore: token.Issued.Add(-backdate).Unix(), Expiry: token.Expires.Unix(),
		AppID: g.client.AppID, AppAuth: g.proof.method, IdentityType: "app",
		ObjectID: g.client.ObjectID, Subject: g.client.ObjectID, TenantID: g.client.TenantID,
		UTI: uti, AIO: aio, RH: rh, Version: "1.0",
		Capabilities: g.capabilities(), ResourceID: g.client.ResourceID,
	}
}

func newClaims2(g grant, token Token, random []byte) claims2 {
	uti, aio, rh, ftd := opaque(random)
	return claims2{
		Audience: g.resource.audience, Issuer: issuerOf(version2, g.client.TenantID),
		IssuedAt: token.Issued.Add(-backdate).Unix(), NotBefore: token.Issued.Add(-backdate).Unix(), Expiry: token.Expires.Unix(),
		AppID: g.client.AppID, AppAuth: g.proof.method,
		ObjectID: g.client.ObjectID, Subject: g.client.ObjectID, TenantID: g.client.TenantID,
		UTI: uti, AIO: aio, RH: rh, Features: ftd, Version: "2.0",
		Capabilities: g.capabilities(), ResourceID: g.client.ResourceID,
	}
}

func (g grant) capabilities() []string {
	if g.continuous {
		return []string{"CP1"}
	}
	return nil
}
