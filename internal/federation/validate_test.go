package federation

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	good := fic("wi-demo-fic", issuer, subject, audience)
	change := func(edit func(*Credential)) Credential {
		c := good
		edit(&c)
		return c
	}
	long := strings.Repeat("ä", MaxValueLength)
	full := make([]Credential, 20)
	for i := range full {
		full[i] = fic(fmt.Sprintf("fic-%d", i), issuer, fmt.Sprintf("system:serviceaccount:ns:sa-%d", i), audience)
	}
	tests := []struct {
		name     string
		c        Credential
		existing []Credential
		want     error
	}{
		{"good", good, nil, nil},
		{"update_of_itself", good, []Credential{good}, nil},
		{"update_of_itself_other_case", good, []Credential{change(func(c *Credential) { c.Name = "WI-DEMO-FIC" })}, nil},
		{"name_short", change(func(c *Credential) { c.Name = "ab" }), nil, ErrName},
		{"name_shortest", change(func(c *Credential) { c.Name = "a_-" }), nil, nil},
		{"name_longest", change(func(c *Credential) { c.Name = strings.Repeat("a", 120) }), nil, nil},
		{"name_long", change(func(c *Credential) { c.Name = strings.Repeat("a", 121) }), nil, ErrName},
		{"name_dash_first", change(func(c *Credential) { c.Name = "-abc" }), nil, ErrName},
		{"name_dot", change(func(c *Credential) { c.Name = "a.bc" }), nil, ErrName},
		{"name_empty", change(func(c *Credential) { c.Name = "" }), nil, ErrName},
		{"no_issuer", change(func(c *Credential) { c.Issuer = "" }), nil, ErrProperties},
		{"no_subject", change(func(c *Credential) { c.Subject = "" }), nil, ErrProperties},
		{"no_audience", change(func(c *Credential) { c.Audiences = nil }), nil, ErrProperties},
		{"two_audiences", change(func(c *Credential) { c.Audiences = []string{"a", "b"} }), nil, ErrAudiences},
		{"empty_audience", change(func(c *Credential) { c.Audiences = []string{""} }), nil, ErrAudiences},
		{"long_audience", change(func(c *Credential) { c.Audiences = []string{long + "x"} }), nil, ErrAudiences},
		{"subject_longest", change(func(c *Credential) { c.Subject = long }), nil, nil},
		{"subject_long", change(func(c *Credential) { c.Subject = long + "x" }), nil, ErrSubject},
		{"subject_not_utf8", change(func(c *Credential) { c.Subject = "\xff" }), nil, ErrSubject},
		{"issuer_long", change(func(c *Credential) { c.Issuer = "https://h/" + long }), nil, ErrIssuer},
		{"issuer_http", change(func(c *Credential) { c.Issuer = "http://h/" }), nil, ErrIssuer},
		{"issuer_no_scheme", change(func(c *Credential) { c.Issuer = "h/a" }), nil, ErrIssuer},
		{"issuer_no_host", change(func(c *Credential) { c.Issuer = "https:///a" }), nil, ErrIssuer},
		{"issuer_port_only", change(func(c *Credential) { c.Issuer = "https://:443/a" }), nil, ErrIssuer},
		{"issuer_query", change(func(c *Credential) { c.Issuer = "https://h/?a" }), nil, ErrIssuer},
		{"issuer_empty_query", change(func(c *Credential) { c.Issuer = "https://h/?" }), nil, ErrIssuer},
		{"issuer_fragment", change(func(c *Credential) { c.Issuer = "https://h/#" }), nil, ErrIssuer},
		{"issuer_user", change(func(c *Credential) { c.Issuer = "https://u@h/" }), nil, ErrIssuer},
		{"issuer_space", change(func(c *Credential) { c.Issuer = "https://h/ " }), nil, ErrIssuer},
		{"issuer_backslash", change(func(c *Credential) { c.Issuer = `https://h\@e/` }), nil, ErrIssuer},
		{"same_issuer_and_subject", change(func(c *Credential) { c.Name = "twin" }), []Credential{good}, ErrNotUnique},
		{"same_subject_other_issuer", change(func(c *Credential) { c.Name, c.Issuer = "twin", strings.TrimSuffix(issuer, "/") }), []Credential{good}, nil},
		{"twentieth", good, full[:19], nil},
		{"twenty_first", good, full, ErrTooMany},
		{"update_of_the_twentieth", full[19], full, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Validate(test.c, test.existing)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if refusal := new(Error); test.want != nil && (!errors.As(err, &refusal) || refusal.Message == "") {
				t.Errorf("got %#v, want an *Error with a message", err)
			}
		})
	}
}
