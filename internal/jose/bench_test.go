package jose

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"testing"
	"time"
)

// accessClaims has the size and shape of an access token's claims.
type accessClaims struct {
	Aud      string `json:"aud"`
	Iss      string `json:"iss"`
	Iat      int64  `json:"iat"`
	Nbf      int64  `json:"nbf"`
	Exp      int64  `json:"exp"`
	Aio      string `json:"aio"`
	Appid    string `json:"appid"`
	Appidacr string `json:"appidacr"`
	Idp      string `json:"idp"`
	Idtyp    string `json:"idtyp"`
	Oid      string `json:"oid"`
	Rh       string `json:"rh"`
	Sub      string `json:"sub"`
	Tid      string `json:"tid"`
	Uti      string `json:"uti"`
	Ver      string `json:"ver"`
}

func sampleAccess() accessClaims {
	now := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC).Unix()
	return accessClaims{
		Aud: "https://vault.azure.net", Iss: "https://sts.windows.net/22222222-2222-2222-2222-222222222222/",
		Iat: now, Nbf: now, Exp: now + 86400, Aio: "k2RgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYA==",
		Appid: "33333333-3333-3333-3333-333333333333", Appidacr: "2",
		Idp: "https://sts.windows.net/22222222-2222-2222-2222-222222222222/", Idtyp: "app",
		Oid: "44444444-4444-4444-4444-444444444444", Rh: "1.AAAA", Sub: "44444444-4444-4444-4444-444444444444",
		Tid: "22222222-2222-2222-2222-222222222222", Uti: "AbCdEfGhIjKlMnOpQrStUv", Ver: "1.0",
	}
}

func BenchmarkSign(b *testing.B) {
	key, claims := newKey(b, "kid"), sampleAccess()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Sign(key, HeaderExtras{Typ: "JWT", X5t: "kid"}, claims); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignBareRSA(b *testing.B) {
	key, digest := newKey(b, "kid"), sha256.Sum256([]byte("token"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rsa.SignPKCS1v15(nil, key.private, crypto.SHA256, digest[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	key := newKey(b, "kid")
	token, keys := mustSign(b, key, sampleAccess()), mustSet(b, key.Public())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(token, keys, rs256()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyAndClaims(b *testing.B) {
	key := newKey(b, "kid")
	token, keys := mustSign(b, key, sampleAccess()), mustSet(b, key.Public())
	b.ReportAllocs()
	for b.Loop() {
		verified, err := Verify(token, keys, rs256())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ParseClaims(verified.Claims); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyBareRSA(b *testing.B) {
	key, digest := newKey(b, "kid"), sha256.Sum256([]byte("token"))
	signature, err := rsa.SignPKCS1v15(nil, key.private, crypto.SHA256, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := rsa.VerifyPKCS1v15(&key.private.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefuse measures what a hostile token costs before any signature is checked.
func BenchmarkRefuse(b *testing.B) {
	keys := mustSet(b, newKey(b, "kid").Public())
	for _, test := range hostile() {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Verify(test.token, keys, rs256()); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
