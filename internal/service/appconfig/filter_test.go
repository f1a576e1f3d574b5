package appconfig

import (
	"strings"
	"testing"
)

func FuzzParseFilter(f *testing.F) {
	for _, seed := range [][2]string{{"*", "a"}, {"a*,b", "ab"}, {`\*`, "*"}, {`a\`, "a"}, {"a,b,c,d,e,f", "c"}, {"\x00", ""}, {`\0*`, "x"}, {",", ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		parsed, err := parseFilter("key", text)
		if err != nil {
			return
		}
		if len(parsed.alternatives) > maxAlternatives {
			t.Errorf("%q: got %d alternatives", text, len(parsed.alternatives))
		}
		// What is common to all matches must not keep a match from being read.
		if common, exact := parsed.common(); parsed.match(value) && (!strings.HasPrefix(value, common) || exact && value != common) {
			t.Errorf("%q matches %q, which does not begin with %q", text, value, common)
		}
		escaped := strings.NewReplacer(`\`, `\\`, "*", `\*`, ",", `\,`).Replace(value)
		if escaped == "" || value == nullLabel {
			return // no filter, and the null label
		}
		literal, err := parseFilter("key", escaped)
		if err != nil || !literal.match(value) || literal.match(value+"x") || literal.match("x"+value) {
			t.Errorf("the escaped filter %q of %q: got %+v, %v", escaped, value, literal, err)
		}
	})
}
