package access

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, action string
		want            bool
	}{
		{"*", "Microsoft.KeyVault/vaults/read", true},
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"*/read", "Microsoft.KeyVault/vaults/read", true},
		{"*/read", "Microsoft.KeyVault/vaults/write", false},
		{"*/read", "read", false},
		{"microsoft.keyvault/VAULTS/Read", "Microsoft.KeyVault/vaults/read", true},
		{"Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/read", false},
		{"Microsoft.KeyVault/vaults/read", "Microsoft.KeyVault/vaults", false},
		{"Microsoft.KeyVault/vaults/*", "Microsoft.KeyVault/vaults/secrets/getSecret/action", true},
		{"Microsoft.KeyVault/vaults/*", "Microsoft.KeyVault/vaults2/read", false},
		{"Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/keys/read", true},
		{"Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/read", true},
		{"Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaultsread", false},
		{"Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults//read", true},
		{"a/*/*/b", "a/b", true},
		{"a/*/*/b", "a/x/b", true},
		{"a/*/b/*/c", "a/b/c", true},
		{"a*/b", "a/b", true},
		{"a/*b", "a/b", true},
		{"*/b", "/b", true},
		{"/*/b", "/b", true},
		{"/*", "/", true},
		{"a/*/b*c", "a/bbc", true},
		{"*a*b*c*", "xaxxbxxc", true},
		{"*a*b*c*", "xaxxcxxb", false},
		{"a*a", "a", false},
		{"a**a", "aa", true},
		{"Micro*Vault/*/getSecret/*", "Microsoft.KeyVault/vaults/secrets/getSecret/action", true},
	}
	for _, test := range tests {
		if got := Match(test.pattern, test.action); got != test.want {
			t.Errorf("Match(%q, %q) = %v, want %v", test.pattern, test.action, got, test.want)
		}
		if got := oracleMatch(test.pattern, test.action); got != test.want {
			t.Errorf("oracle: Match(%q, %q) = %v, want %v", test.pattern, test.action, got, test.want)
		}
	}
}

// oracleMatch says the same through a regular expression, segment by segment.
func oracleMatch(pattern, action string) bool {
	segments := strings.Split(strings.Map(lowerASCII, pattern), "/")
	var expression strings.Builder
	for i, segment := range segments {
		last := i == len(segments)-1
		if segment == "*" && i > 0 && !last {
			expression.WriteString("(.*/)?")
			continue
		}
		expression.WriteString(strings.ReplaceAll(regexp.QuoteMeta(segment), `\*`, ".*"))
		if !last {
			expression.WriteString("/")
		}
	}
	return regexp.MustCompile(`(?s)\A` + expression.String() + `\z`).MatchString(strings.Map(lowerASCII, action))
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func FuzzMatch(f *testing.F) {
	f.Add("Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/read")
	f.Add("*a*b*c*", "xaxxcxxb")
	f.Add("a/*/*/b", "A/x/B")
	f.Fuzz(func(t *testing.T, pattern, action string) {
		if len(pattern) > 64 || len(action) > 256 || !utf8.ValidString(pattern) || !utf8.ValidString(action) {
			return
		}
		if got, want := Match(pattern, action), oracleMatch(pattern, action); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", pattern, action, got, want)
		}
		if !Match(pattern, pattern) {
			t.Errorf("%q does not match itself", pattern)
		}
	})
}
