package chain

import (
	"strings"
	"testing"
)

func TestParseID(t *testing.T) {
	const group = "/subscriptions/s/resourceGroups/rg"
	tests := []struct {
		in, typ, name, parent string
		collection            bool
	}{
		{in: "/", typ: "", name: "", parent: "/"},
		{in: "/subscriptions/s", name: "s", parent: "/"},
		{in: group, name: "rg", parent: "/subscriptions/s"},
		{in: group + "/providers/Microsoft.KeyVault/vaults/kv", typ: "Microsoft.KeyVault/vaults", name: "kv", parent: group},
		{in: group + "/providers/Microsoft.KeyVault/vaults", typ: "Microsoft.KeyVault/vaults", parent: group, collection: true},
		{
			in:     group + "/providers/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/c",
			typ:    "Microsoft.Storage/storageAccounts/blobServices/containers",
			name:   "c",
			parent: group + "/providers/Microsoft.Storage/storageAccounts/a/blobServices/default",
		},
		{
			in:     group + "/providers/Microsoft.Storage/storageAccounts/a/providers/Microsoft.Authorization/roleAssignments/r",
			typ:    "Microsoft.Authorization/roleAssignments",
			name:   "r",
			parent: group + "/providers/Microsoft.Storage/storageAccounts/a",
		},
		{in: "/providers/Microsoft.Authorization/roleDefinitions/d", typ: "Microsoft.Authorization/roleDefinitions", name: "d", parent: "/"},
	}
	for _, test := range tests {
		t.Run(strings.ReplaceAll(test.in, "/", "_"), func(t *testing.T) {
			id, err := ParseID(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if id.String() != test.in {
				t.Errorf("got %q, want %q", id.String(), test.in)
			}
			if id.Type() != test.typ || id.Name() != test.name || id.IsCollection() != test.collection {
				t.Errorf("got type %q name %q collection %v, want %q %q %v", id.Type(), id.Name(), id.IsCollection(), test.typ, test.name, test.collection)
			}
			if got := id.Parent().String(); got != test.parent {
				t.Errorf("got parent %q, want %q", got, test.parent)
			}
		})
	}
}

func TestParseIDRefuses(t *testing.T) {
	for _, in := range []string{"", "subscriptions/s", "/subscriptions", "/subscriptions//resourceGroups/g", "/subscriptions/s/resourceGroups",
		"/subscriptions/s/resourceGroups/g/vaults/v", "/subscriptions/s/providers/Microsoft.KeyVault", "/" + strings.Repeat("a", MaxIDLength)} {
		if id, err := ParseID(in); err == nil {
			t.Errorf("ParseID(%.60q) = %v, want an error", in, id)
		}
	}
}

func TestContains(t *testing.T) {
	tests := []struct {
		scope, id string
		want      bool
	}{
		{"/", "/subscriptions/s", true},
		{"/subscriptions/S", "/subscriptions/s/resourceGroups/rg", true},
		{"/subscriptions/s/resourceGroups/rg", "/subscriptions/s/resourcegroups/RG", true},
		{"/subscriptions/s/resourceGroups/rg", "/subscriptions/s/resourceGroups/rg2", false},
		{"/subscriptions/s/resourceGroups/rg/", "/subscriptions/s/resourceGroups/rg/providers/x", true},
		{"/subscriptions/s/resourceGroups/rg", "/subscriptions/s", false},
		{"/subscriptions/s/resourceGroups/rink", "/subscriptions/s/resourceGroups/R\u0130N\u212a/providers/x", true}, // as their keys
		{"/subscriptions/s/resourceGroups/r\u0130n\u212a", "/subscriptions/s/resourceGroups/rink", true},
		{"/subscriptions/s/resourceGroups/as", "/subscriptions/s/resourceGroups/a\u017f", false}, // two keys
		{"/subscriptions/s/resourceGroups/\u03c3", "/subscriptions/s/resourceGroups/\u03c2", false},
	}
	for _, test := range tests {
		if got := Contains(test.scope, test.id); got != test.want {
			t.Errorf("Contains(%q, %q) = %v, want %v", test.scope, test.id, got, test.want)
		}
	}
}

func TestSubject(t *testing.T) {
	namespace, name, err := ParseSubject(Subject("widemo", "wi-demo-sa"))
	if err != nil || namespace != "widemo" || name != "wi-demo-sa" {
		t.Errorf("got %q %q %v", namespace, name, err)
	}
	for _, in := range []string{"", "system:serviceaccount:", "system:serviceaccount:a", "system:serviceaccount::b", "system:serviceaccount:a:b:c", "repo:o/r:ref:x", "system:serviceaccount:a:b c"} {
		if _, _, err := ParseSubject(in); err == nil {
			t.Errorf("ParseSubject(%q) succeeded, want an error", in)
		}
	}
}

func TestIsGUID(t *testing.T) {
	tests := map[string]bool{
		"00000000-0000-0000-0000-000000000000":   true,
		"ABCDEF01-2345-6789-abcd-ef0123456789":   true,
		"{00000000-0000-0000-0000-000000000000}": false,
		"00000000000000000000000000000000":       false,
		"00000000-0000-0000-0000-00000000000g":   false,
		"":                                       false,
	}
	for in, want := range tests {
		if got := IsGUID(in); got != want {
			t.Errorf("IsGUID(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestIsDomain(t *testing.T) {
	tests := map[string]bool{
		"contoso.onmicrosoft.com": true, "a.b": true,
		"": false, "contoso": false, ".": false, "a.": false, ".a": false, "-a.b": false, "a-.b": false, "a_b.c": false,
		strings.Repeat("a", 64) + ".b": false,
	}
	for in, want := range tests {
		if got := IsDomain(in); got != want {
			t.Errorf("IsDomain(%q) = %v, want %v", in, got, want)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v/secrets/x")
	f.Add("/providers/a/b/c/providers/d/e/f")
	f.Fuzz(func(t *testing.T, in string) {
		id, err := ParseID(in)
		if err != nil {
			return
		}
		again, err := ParseID(id.String())
		if err != nil || again.Key() != id.Key() {
			t.Errorf("ParseID(%q) = %q, which parses to %q, %v", in, id, again, err)
		}
		_, _, _ = id.Parent(), id.Type(), id.Name()
	})
}
