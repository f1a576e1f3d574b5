package directory

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestSecrets(t *testing.T) {
	d, _, c := start(t)
	ctx := t.Context()
	p := application(t, d)
	value, err := d.AddSecret(ctx, p.ObjectID, "laptop", time.Time{})
	if err != nil || !regexp.MustCompile(`^[\w.~-]{3}8Q~[\w.~-]{34}$`).MatchString(value) {
		t.Fatalf("got %q, %v", value, err)
	}
	short, err := d.ImportSecret(ctx, p.ObjectID, "short", "chosen-by-hand", c.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	p, err = d.ByObjectID(ctx, p.ObjectID)
	if err != nil || len(p.Secrets) != 2 || p.Secrets[0].Hint != value[:3] || !p.Secrets[0].Expires.Equal(c.Now().Add(DefaultSecretLifetime)) {
		t.Fatalf("got %+v, %v", p, err)
	}
	if data, _ := json.Marshal(p); bytes.Contains(data, []byte(value[3:])) || bytes.Contains(data, []byte("chosen-by")) {
		t.Error("the record holds the secret")
	}
	tests := []struct {
		name, value string
		at          time.Duration
		want        error
	}{
		{"first", value, 0, nil},
		{"second", "chosen-by-hand", 0, nil},
		{"wrong", value[:39] + "x", 0, ErrSecretWrong},
		{"empty", "", 0, ErrSecretWrong},
		{"prefix", value[:20], 0, ErrSecretWrong},
		{"key_id", short.ID, 0, ErrSecretWrong},
		{"expired", "chosen-by-hand", time.Hour, ErrSecretExpired},
		{"not_yet_expired", "chosen-by-hand", time.Hour - 1, nil},
		{"wrong_after_expiry", "else", time.Hour, ErrSecretWrong},
		{"other_still_valid", value, time.Hour, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := CheckSecret(p, test.value, c.Now().Add(test.at)); err != test.want {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	if err := CheckSecret(&Principal{}, "", c.Now()); err != ErrSecretWrong {
		t.Errorf("no secrets: got %v, want ErrSecretWrong", err)
	}
}

func TestImportSecretTwiceMovesItsExpiry(t *testing.T) {
	d, _, c := start(t)
	ctx := t.Context()
	p := application(t, d)
	first, err := d.ImportSecret(ctx, p.ObjectID, "a", "chosen-by-hand", c.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.ImportSecret(ctx, p.ObjectID, "b", "chosen-by-hand", c.Now().Add(2*time.Hour))
	if err != nil || second.ID != first.ID || second.Name != "b" || !second.Expires.Equal(c.Now().Add(2*time.Hour)) {
		t.Errorf("got %+v, %v, want the same secret renamed", second, err)
	}
	if p, err = d.ByObjectID(ctx, p.ObjectID); err != nil || len(p.Secrets) != 1 {
		t.Errorf("got %d secrets, %v, want 1", len(p.Secrets), err)
	}
}

func TestSecretsRefuse(t *testing.T) {
	d, _, _ := start(t)
	ctx := t.Context()
	app, mi := application(t, d), identity(t, d)
	if _, err := d.AddSecret(ctx, mi.ObjectID, "x", time.Time{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("managed identity: got %v, want ErrInvalid", err)
	}
	if _, err := d.AddSecret(ctx, "nobody", "x", time.Time{}); !errors.Is(err, ErrPrincipalNotFound) {
		t.Errorf("nobody: got %v, want ErrPrincipalNotFound", err)
	}
	if _, err := d.ImportSecret(ctx, app.ObjectID, "x", "short", time.Time{}); !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "short") {
		t.Errorf("short: got %v, want ErrInvalid without the value", err)
	}
	if err := d.RemoveSecret(ctx, app.ObjectID, "x"); !errors.Is(err, ErrKeyNotFound) {
		t.Errorf("got %v, want ErrKeyNotFound", err)
	}
	for range MaxSecrets {
		if _, err := d.AddSecret(ctx, app.ObjectID, "x", time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.AddSecret(ctx, app.ObjectID, "x", time.Time{}); !errors.Is(err, ErrTooManyKeys) {
		t.Errorf("got %v, want ErrTooManyKeys", err)
	}
	full, err := d.ByObjectID(ctx, app.ObjectID)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveSecret(ctx, app.ObjectID, strings.ToUpper(full.Secrets[0].ID)); err != nil {
		t.Errorf("got %v", err)
	}
	if _, err := d.AddSecret(ctx, app.ObjectID, "x", time.Time{}); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestNoRandomnessNoSecret(t *testing.T) {
	d, s, _ := start(t)
	p := application(t, d)
	for name, random := range map[string]io.Reader{
		"none":    iotest.ErrReader(io.ErrClosedPipe),
		"no_salt": io.LimitReader(rand.Reader, 64),
	} {
		broken := New(s, Options{Random: random})
		if value, err := broken.AddSecret(t.Context(), p.ObjectID, "x", time.Time{}); err == nil || value != "" {
			t.Errorf("%s: got %q, %v, want an error", name, value, err)
		}
	}
}

func TestSecretLettersAreEquallyLikely(t *testing.T) {
	seen := map[byte]int{}
	for range 2000 {
		value, err := newSecret(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for i := 6; i < len(value); i++ {
			seen[value[i]]++
		}
	}
	mean := 2000 * 34 / len(secretAlphabet)
	for i := range len(secretAlphabet) {
		if n := seen[secretAlphabet[i]]; n < mean*3/4 || n > mean*5/4 {
			t.Errorf("%q came %d times, want about %d", secretAlphabet[i], n, mean)
		}
	}
}

func TestCertificates(t *testing.T) {
	d, _, _ := start(t)
	ctx := t.Context()
	app, mi := application(t, d), identity(t, d)
	der := newCertificate(t, 1)
	made, err := d.AddCertificate(ctx, app.ObjectID, der)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.AddCertificate(ctx, app.ObjectID, der); err != nil || again.ID != made.ID {
		t.Errorf("again: got %+v, %v", again.ID, err)
	}
	if p, err := d.ByObjectID(ctx, app.ObjectID); err != nil || len(p.Certificates) != 1 || !bytes.Equal(p.Certificates[0].DER, der) {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := d.AddCertificate(ctx, app.ObjectID, []byte("x")); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
	if _, err := d.AddCertificate(ctx, mi.ObjectID, der); !errors.Is(err, ErrInvalid) {
		t.Errorf("managed identity: got %v, want ErrInvalid", err)
	}
	if err := d.RemoveCertificate(ctx, app.ObjectID, made.ID); err != nil {
		t.Error(err)
	}
	if err := d.RemoveCertificate(ctx, app.ObjectID, made.ID); !errors.Is(err, ErrKeyNotFound) {
		t.Errorf("got %v, want ErrKeyNotFound", err)
	}
	for i := range MaxCertificates {
		if _, err := d.AddCertificate(ctx, app.ObjectID, newCertificate(t, int64(i+2))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.AddCertificate(ctx, app.ObjectID, der); !errors.Is(err, ErrTooManyKeys) {
		t.Errorf("got %v, want ErrTooManyKeys", err)
	}
}

func newCertificate(t *testing.T, serial int64) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
