package appconfig

import (
	"strings"
	"testing"
)

func FuzzParseSignature(f *testing.F) {
	for _, seed := range []string{
		"Credential=a&SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=c2ln",
		"Credential=a, SignedHeaders=date;host;x-ms-content-sha256, Signature=c2ln",
		"", "&&,,==", "credential==&SIGNEDHEADERS=;;&signature=====",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSignature(text)
		if err == nil && (s.credential == "" || len(s.headers) == 0 || len(s.headers) > maxHeaders) {
			t.Errorf("%q: got %+v", text, s)
		}
	})
}

func FuzzParseKeyValueName(f *testing.F) {
	for _, seed := range []string{"key$label", "a~2Fb", "~", "~zz", "$", "a$b$c", ".appconfig.featureflag~2Fx$~00", "100%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		key, label, err := parseKeyValueName(name)
		if err == nil && (key == "" || strings.ContainsRune(key+label, 0) || strings.ContainsAny(label, "*,")) {
			t.Errorf("%q: got %q %q", name, key, label)
		}
	})
}

func TestParseKeyValueName(t *testing.T) {
	for name, c := range map[string]struct {
		key, label string
		bad        bool
	}{
		"one":           {key: "one"},
		"one$two":       {key: "one", label: "two"},
		"one$":          {key: "one"},
		"a~2Fb$c~24d":   {key: "a/b", label: "c$d"},
		"100%25$l":      {key: "100%25", label: "l"},
		"tilde~7E":      {key: "tilde~"},
		"$label":        {bad: true},
		"~":             {bad: true},
		"~zz":           {bad: true},
		"a~00":          {bad: true},
		"a$~2A":         {bad: true},
		"~2E~2E":        {bad: true},
		"a~ff":          {bad: true},
		"a$b$c":         {key: "a", label: "b$c"},
		"~E2~82~AC$eur": {key: "€", label: "eur"},
	} {
		key, label, err := parseKeyValueName(name)
		if key != c.key || label != c.label || (err != nil) != c.bad {
			t.Errorf("%q: got %q %q %v, want %+v", name, key, label, err, c)
		}
	}
}
