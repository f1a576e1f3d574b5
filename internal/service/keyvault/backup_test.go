package keyvault

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/store/memory"
)

const subscription = "/subscriptions/22222222-2222-2222-2222-222222222222"

// vaultIn is a vault as far as backups look at it.
func vaultIn(subscription, location string) *Vault {
	return &Vault{ID: subscription + "/resourceGroups/rg/providers/" + TypeVault + "/v", Location: location}
}

func sealed(t testing.TB, s *Secrets, vault *Vault, content any) string {
	t.Helper()
	sealer, bound, err := s.sealer(t.Context(), vault)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sealer.Seal([]byte(backupForm), nil, plain, bound))
}

func newSecrets(t testing.TB) *Secrets {
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	return New(Secrets{Store: s, Now: time.Now, NewID: func() string { return "" }})
}

func TestUnseal(t *testing.T) {
	s := newSecrets(t)
	id := strings.Repeat("a", 32)
	here := vaultIn(subscription, "westeurope")
	good := backup{Name: "one", Current: id, Versions: []version{{ID: id, Value: "v"}}}
	blob := sealed(t, s, here, good)
	if strings.Contains(blob, base64.RawURLEncoding.EncodeToString([]byte(`"value"`))) {
		t.Error("the backup shows what it holds")
	}
	many := good
	many.Versions = make([]version, maxBackup+1)
	for name, c := range map[string]struct {
		vault *Vault
		text  string
		want  error
	}{
		"good":                  {here, blob, nil},
		"padded":                {here, blob + "=", nil},
		"other_region":          {vaultIn(subscription, "northeurope"), blob, nil},
		"other_case":            {vaultIn(strings.ToUpper(subscription), "westeurope"), blob, nil},
		"other_geography":       {vaultIn(subscription, "eastus"), blob, errNotBackup},
		"other_subscription":    {vaultIn(strings.Replace(subscription, "2", "3", 1), "westeurope"), blob, errNotBackup},
		"empty":                 {here, "", errNotBackup},
		"short":                 {here, "YQ", errNotBackup},
		"only_the_form":         {here, base64.RawURLEncoding.EncodeToString([]byte(backupForm)), errNotBackup},
		"cut":                   {here, blob[:len(blob)-4], errNotBackup},
		"changed":               {here, blob[:20] + flip(blob[20:21]) + blob[21:], errNotBackup},
		"no_base64":             {here, "%%%", errNotBackup},
		"bad_name":              {here, sealed(t, s, here, backup{Name: "a_b", Current: id, Versions: good.Versions}), errBackup},
		"no_current":            {here, sealed(t, s, here, backup{Name: "one", Current: "x", Versions: good.Versions}), errBackup},
		"malformed_version":     {here, sealed(t, s, here, backup{Name: "one", Current: "../x", Versions: []version{{ID: "../x"}}}), errBackup},
		"too_many_versions":     {here, sealed(t, s, here, many), errBackup},
		"content_is_not_secret": {here, sealed(t, s, here, []int{1}), errBackup},
	} {
		t.Run(name, func(t *testing.T) {
			sealer, bound, err := s.sealer(t.Context(), c.vault)
			if err != nil {
				t.Fatal(err)
			}
			held, newest, err := unseal(sealer, bound, c.text)
			if !errors.Is(err, c.want) || c.want == nil && (held.Name != "one" || newest.Value != "v") {
				t.Errorf("got %+v, %v, want %v", held, err, c.want)
			}
		})
	}
}

func flip(letter string) string {
	if letter == "A" {
		return "B"
	}
	return "A"
}

func TestBackupKeyIsKept(t *testing.T) {
	s := newSecrets(t)
	first, err := s.backupKey(t.Context(), "s")
	if err != nil || len(first) != backupKeyLen {
		t.Fatalf("got %d bytes, %v", len(first), err)
	}
	second, err := New(Secrets{Store: s.Store}).backupKey(t.Context(), "s")
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("after a restart: got another key, %v", err)
	}
}

func FuzzUnseal(f *testing.F) {
	s := newSecrets(f)
	here := vaultIn(subscription, "westeurope")
	id := strings.Repeat("a", 32)
	f.Add(sealed(f, s, here, backup{Name: "one", Current: id, Versions: []version{{ID: id}}}))
	f.Add("")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(backupForm + "0123456789abcdef")))
	sealer, bound, err := s.sealer(f.Context(), here)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		held, newest, err := unseal(sealer, bound, text)
		if err == nil && (!validName(held.Name) || newest.ID != held.Current) {
			t.Errorf("%q: got %+v", text, held)
		}
	})
}
