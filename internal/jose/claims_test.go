package jose

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestParseClaims(t *testing.T) {
	got, err := ParseClaims([]byte(`{"aud":["api://AzureADTokenExchange"],"exp":1785546000,"iat":1785542400,"nbf":1785542400,` +
		`"iss":"https://issuer.example/","jti":"j","sub":"system:serviceaccount:ns:sa","kubernetes.io":{"namespace":"ns","iss":"inner"},"ISS":"other","Sub":null}`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Issuer != "https://issuer.example/" || got.Subject != "system:serviceaccount:ns:sa" || got.ID != "j" ||
		!slices.Equal(got.Audience, []string{"api://AzureADTokenExchange"}) ||
		got.Expiry.Unix() != 1785546000 || got.NotBefore.Unix() != 1785542400 || got.IssuedAt.Unix() != 1785542400 {
		t.Errorf("got %+v", got)
	}
	if got, err := ParseClaims([]byte(`{}`)); err != nil || got.Audience != nil || !got.Expiry.IsZero() {
		t.Errorf("no claims: got %+v, %v", got, err)
	}
}

func TestParseClaimsTypes(t *testing.T) {
	for _, name := range []string{"iss", "sub", "jti"} {
		for _, value := range []string{`null`, `1`, `true`, `[]`, `["x"]`, `{}`} {
			refuses(t, fmt.Sprintf(`{%q:%s}`, name, value))
		}
	}
	for _, value := range []string{`null`, `1`, `true`, `{}`, `[1]`, `[null]`, `["a",2]`, `[["a"]]`} {
		refuses(t, fmt.Sprintf(`{"aud":%s}`, value))
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		for _, value := range []string{`null`, `"1785546000"`, `true`, `[]`, `{}`, `-1`, `-0`, `-0.5`, `253402300800`, `253402300799.9`,
			`9223372036854775807`, `9223372036854775808`, `18446744073709551616`, `1e12`, `1e400`, `01`, `1.`, `.5`, `+1`, `NaN`, `Infinity`, `0x10`} {
			refuses(t, fmt.Sprintf(`{%q:%s}`, name, value))
		}
	}
	for _, document := range []string{``, `[]`, `{"sub":"a","sub":"a"}`, `{"sub":"a",}`, `{"sub":"\ud800"}`, "{\"sub\":\"\xff\"}", `{"sub":"a"}x`} {
		refuses(t, document)
	}
}

func refuses(t *testing.T, document string) {
	t.Helper()
	if got, err := ParseClaims([]byte(document)); !errors.Is(err, ErrMalformed) || got.Issuer != "" || got.Subject != "" {
		t.Errorf("%s: got %+v, %v, want %v", document, got, err, ErrMalformed)
	}
}

func TestParseNumericDate(t *testing.T) {
	tests := map[string]time.Time{
		"0":            time.Unix(0, 0),
		"1785546000":   time.Unix(1785546000, 0),
		"1785546000.5": time.Unix(1785546000, 5e8),
		"1.785546e9":   time.Unix(1785546000, 0),
		"1E3":          time.Unix(1000, 0),
		"0.25":         time.Unix(0, 25e7),
		"253402300799": time.Unix(253402300799, 0),
	}
	for text, want := range tests {
		if got, err := parseNumericDate([]byte(text)); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestParseAudience(t *testing.T) {
	tests := map[string][]string{`"a"`: {"a"}, `["a"]`: {"a"}, `["a","b","a"]`: {"a", "b", "a"}, `[]`: {}, `""`: {""}}
	for text, want := range tests {
		if got, err := parseAudience([]byte(text)); err != nil || got == nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestCheckTime(t *testing.T) {
	const leeway = 5 * time.Minute
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	good := Claims{Expiry: at(time.Hour), NotBefore: at(-time.Hour), IssuedAt: at(-time.Hour)}
	tests := []struct {
		name   string
		change func(*Claims)
		want   Bound
	}{
		{"good", func(*Claims) {}, InTime},
		{"only_exp", func(c *Claims) { c.NotBefore, c.IssuedAt = time.Time{}, time.Time{} }, InTime},
		{"no_exp", func(c *Claims) { c.Expiry = time.Time{} }, NoExpiry},
		{"exp_0", func(c *Claims) { c.Expiry = time.Unix(0, 0) }, Expired},
		{"exp_within_leeway", func(c *Claims) { c.Expiry = at(-leeway + 1) }, InTime},
		{"exp_at_leeway", func(c *Claims) { c.Expiry = at(-leeway) }, Expired},
		{"exp_passed", func(c *Claims) { c.Expiry = at(-time.Minute - leeway) }, Expired},
		{"nbf_within_leeway", func(c *Claims) { c.NotBefore = at(leeway) }, InTime},
		{"nbf_beyond_leeway", func(c *Claims) { c.NotBefore = at(leeway + 1) }, NotYetValid},
		{"iat_8_seconds_ahead", func(c *Claims) { c.IssuedAt = at(8 * time.Second) }, InTime},
		{"iat_beyond_leeway", func(c *Claims) { c.IssuedAt = at(leeway + 1) }, IssuedLater},
		{"nbf_after_exp", func(c *Claims) { c.Expiry, c.NotBefore = at(time.Minute), at(time.Minute) }, NeverInForce},
		{"far_future", func(c *Claims) { c.Expiry = time.Unix(maxNumericDate, 0) }, InTime},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := good
			test.change(&c)
			if got := c.CheckTime(now, leeway); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
