package graph

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/fault"
)

func sample() object {
	return object{
		"id": "1", "displayName": "O'Brien's group", "mailNickname": nil, "description": json.RawMessage(`"kept"`),
		"securityEnabled": true, "mailEnabled": false, "groupTypes": []string{"Unified"},
	}
}

func TestParseFilter(t *testing.T) {
	tests := map[string]bool{
		"":                                                  true,
		"displayName eq 'o''brien''s GROUP'":                true,
		"displayName eq 'other'":                            false,
		"displayName ne 'other'":                            true,
		"mailNickname eq null":                              true,
		"displayName ne null":                               true,
		"mailNickname ne 'x'":                               true,
		"description eq 'kept'":                             true,
		"securityEnabled eq true":                           true,
		"securityEnabled ne true":                           false,
		"mailEnabled eq false":                              true,
		"id in ('2','1')":                                   true,
		"id in ('2')":                                       false,
		"startswith(displayName,'o''b')":                    true,
		"startsWith(displayName, 'x')":                      false,
		"endswith(displayName,'group')":                     true,
		"startswith(mailNickname,'')":                       false,
		"groupTypes/any(c:c eq 'unified')":                  true,
		"groupTypes/any(c: c eq 'x')":                       false,
		"groupTypes/any(t:startswith(t,'u'))":               true,
		"not groupTypes/any(c:c eq 'x')":                    true,
		"id eq '2' or id eq '1' and mailEnabled eq false":   true,
		"(id eq '2' or id eq '1') and mailEnabled eq true":  false,
		"not (id eq '2') AND not(startswith(id,'2'))":       true,
		"id eq '1' or id eq '2' or displayName eq 'x'":      true,
		"id eq '2' and id eq '1' and displayName eq 'null'": false,
	}
	for input, want := range tests {
		f, err := parseFilter(input, groupKind())
		if err != nil {
			t.Errorf("%s: got %v", input, err)
			continue
		}
		if got := f == nil || f(sample()); got != want {
			t.Errorf("%s: got %v, want %v", input, got, want)
		}
	}
}

func TestParseFilterRefuses(t *testing.T) {
	tests := map[string]*fault.Kind{
		"displayName":                          badFilter,
		"displayName eq":                       badFilter,
		"displayName eq x":                     badFilter,
		"displayName eq 'x":                    badFilter,
		"displayName eq 'x' and":               badFilter,
		"displayName eq 'x' displayName":       badFilter,
		"(displayName eq 'x'":                  badFilter,
		"securityEnabled eq 'true'":            badFilter,
		"id in ()":                             badFilter,
		"id in ('1',)":                         badFilter,
		"startswith(displayName)":              badFilter,
		"startswith(displayName,displayName)":  badFilter,
		"groupTypes/any(c:d eq 'x')":           badFilter,
		"groupTypes/any(c eq 'x')":             badFilter,
		"'x' eq displayName":                   badFilter,
		"not":                                  badFilter,
		"colour eq 'red'":                      noFilter,
		"displayName gt 'x'":                   noFilter,
		"groupTypes eq 'x'":                    noFilter,
		"displayName/any(c:c eq 'x')":          noFilter,
		"groupTypes/all(c:c eq 'x')":           noFilter,
		"groupTypes/$count eq 0":               noFilter,
		"groupTypes/any(c:startswith(id,'x'))": noFilter,
		"startswith(securityEnabled,'t')":      noFilter,
		"contains(displayName,'x')":            noFilter,
		"securityEnabled gt true":              noFilter,
		strings.Repeat("(", 100):               badFilter,
		strings.Repeat("not ", 100):            badFilter,
		strings.Repeat("id eq '1' or ", 1000):  badFilter,
	}
	for input, want := range tests {
		if _, err := parseFilter(input, groupKind()); !errors.Is(err, want) {
			t.Errorf("%.60s: got %v, want %s", input, err, want.ID())
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{
		"displayName eq 'X' and securityEnabled eq true", "startswith(displayName,'a')", "groupTypes/any(c:c eq 'Unified')",
		"id in ('a','b')", "not (id eq '1' or id ne null)", "servicePrincipalNames/any(c:c eq 'api://x')", "'", "(((", "a/b/c", "any(",
	} {
		f.Add(seed)
	}
	kinds := []*kind{userKind(), groupKind(), applicationKind(), principalKind(), referenceKind()}
	f.Fuzz(func(t *testing.T, input string) {
		for _, k := range kinds {
			match, err := parseFilter(input, k)
			if err != nil {
				var coded *fault.Error
				if !errors.As(err, &coded) || coded.Kind.Status != 400 {
					t.Fatalf("%q: got %v, want a 400", input, err)
				}
				continue
			}
			if match != nil {
				match(sample())
				match(object{})
			}
		}
	})
}

func FuzzReference(f *testing.F) {
	for _, seed := range []string{"https://graph.microsoft.com/v1.0/directoryObjects/11111111-1111-1111-1111-111111111111", "directoryObjects('11111111-1111-1111-1111-111111111111')", "%", "/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, to string) {
		if id, err := reference(to); err == nil && (len(id) != 36 || strings.ToLower(id) != id) {
			t.Fatalf("%q: got %q", to, id)
		}
	})
}
