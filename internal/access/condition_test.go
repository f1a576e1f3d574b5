package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/fault"
)

// asked makes attributes from "Source/name" → values.
func asked(subOperation string, has map[string][]string) Attributes {
	return Attributes{SubOperation: subOperation, Value: func(source, name string) ([]string, bool) {
		values, ok := has[source+"/"+strings.ToLower(name)]
		return values, ok
	}}
}

const (
	containerName = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
	blobPath      = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path]"
)

// blobRequest is a read of c1/logs/a.txt in 2026 by a workload.
func blobRequest(subOperation string) Attributes {
	return asked(subOperation, map[string][]string{
		"Resource/microsoft.storage/storageaccounts/blobservices/containers:name":                                     {"c1"},
		"Resource/microsoft.storage/storageaccounts/blobservices/containers/blobs:path":                               {"logs/a.txt"},
		"Resource/microsoft.storage/storageaccounts/blobservices/containers/blobs/tags:project<$key_case_sensitive$>": {"Cascade"},
		"Request/microsoft.storage/storageaccounts/blobservices/containers/blobs/tags&$keys$&":                        {"Project", "Program"},
		"Resource/microsoft.storage/storageaccounts/blobservices/containers/blobs:iscurrentversion":                   {"true"},
		"Environment/utcnow":        {"2026-05-01T13:00:00Z"},
		"Environment/isprivatelink": {"false"},
		"Principal/microsoft.directory/customsecurityattributes/id:engineering_project": {"c1"},
		"Request/size":   {"42"},
		"Request/wrong":  {"forty"},
		"Request/empty":  {},
		"Request/odd":    {`a*b?c'd`},
		"Resource/owner": {"44444444-4444-4444-4444-444444444444"},
	})
}

func TestConditionHolds(t *testing.T) {
	tests := []struct {
		name, text string
		want       bool
	}{
		{"action", "ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'}", true},
		{"action_wildcard", "ActionMatches{'microsoft.storage/*/blobs/*'}", true},
		{"action_other", "ActionMatches{'Microsoft.Storage/*/write'}", false},
		{"action_list", "ActionMatches{'x/write', '*/read'}", true},
		{"suboperation", "SubOperationMatches{'Blob.Read.WithTagConditions'}", true},
		{"suboperation_case", "suboperationmatches{'blob.read.withtagconditions'}", true},
		{"suboperation_other", "SubOperationMatches{'Blob.List'}", false},
		{"suboperation_formerly", "@Request[subOperation] ForAnyOfAnyValues:StringEqualsIgnoreCase {'Blob.Read.WithTagConditions'}", true},
		{"documented", "((!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'} AND NOT SubOperationMatches{'Blob.List'})) OR (" + containerName + " StringEquals 'c1'))", true},
		{"documented_other", "((!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'} AND NOT SubOperationMatches{'Blob.List'})) OR (" + containerName + " StringEquals 'c2'))", false},
		{"another_action", "(!(ActionMatches{'a/b'})) OR (" + containerName + " StringEquals 'c2')", true},
		{"operator_in_lower_case", containerName + " stringEquals 'c1'", true},
		{"symbols", "!(" + containerName + " StringEquals 'c2') && " + blobPath + " StringLike 'logs/*'", true},
		{"or_symbol", containerName + " StringEquals 'c2' || " + blobPath + " StringLike 'logs/*'", true},
		{"case", containerName + " StringEquals 'C1'", false},
		{"ignore_case", containerName + " StringEqualsIgnoreCase 'C1'", true},
		{"not_equals", containerName + " StringNotEquals 'c2'", true},
		{"not_equals_ignore_case", containerName + " StringNotEqualsIgnoreCase 'C1'", false},
		{"starts", blobPath + " StringStartsWith 'logs/'", true},
		{"starts_ignore_case", blobPath + " StringStartsWithIgnoreCase 'LOGS/'", true},
		{"not_starts", blobPath + " StringNotStartsWith 'logs/'", false},
		{"not_starts_ignore_case", blobPath + " StringNotStartsWithIgnoreCase 'DATA/'", true},
		{"like", blobPath + " StringLike 'l?gs/*.t?t'", true},
		{"like_is_whole", blobPath + " StringLike 'logs'", false},
		{"like_ignore_case", blobPath + " StringLikeIgnoreCase 'LOGS/*'", true},
		{"not_like", blobPath + " StringNotLike 'logs/*'", false},
		{"not_like_ignore_case", blobPath + " StringNotLikeIgnoreCase 'DATA/*'", true},
		{"like_escaped", `@Request[odd] StringLike 'a\*b\?c\'d'`, true},
		{"tag", "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags:Project<$key_case_sensitive$>] StringEquals 'Cascade'", true},
		{"tag_keys_all_known", "@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags&$keys$&] ForAllOfAnyValues:StringEquals {'Project', 'Program'}", true},
		{"tag_keys_one_known", "@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags&$keys$&] ForAllOfAnyValues:StringEquals {'Project'}", false},
		{"any_of_any", "@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags&$keys$&] ForAnyOfAnyValues:StringEquals {'Project', 'x'}", true},
		{"any_of_all", "@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags&$keys$&] ForAnyOfAllValues:StringLike {'Pro*', '*ject'}", true},
		{"all_of_all", "@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags&$keys$&] ForAllOfAllValues:StringNotEquals {'x', 'y'}", true},
		{"all_of_all_one_hits", "@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags&$keys$&] ForAllOfAllValues:StringNotEquals {'x', 'Program'}", false},
		{"several_without_quantifier", "@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags&$keys$&] StringNotEquals 'x'", false},
		{"attribute_to_attribute", "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project] StringEquals " + containerName, true},
		{"literal_first", "'c1' StringEquals " + containerName, true},
		{"bool", "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:isCurrentVersion] BoolEquals true", true},
		{"bool_not", "@Environment[isPrivateLink] BoolNotEquals true", true},
		{"number", "@Request[size] NumericLessThanEquals 42 AND @Request[size] NumericGreaterThan 41", true},
		{"number_not", "@Request[size] NumericNotEquals 42", false},
		{"time", "@Environment[UtcNow] DateTimeGreaterThan '2026-05-01T12:59:59.000Z' AND @Environment[UtcNow] DateTimeLessThan '2026-06-01'", true},
		{"time_equal_in_another_zone", "@Environment[UtcNow] DateTimeEquals '2026-05-01T15:00:00+02:00'", true},
		{"guid", "@Resource[owner] GuidEquals 44444444-4444-4444-4444-444444444444", true},
		{"guid_set", "@Resource[owner] ForAnyOfAnyValues:GuidEquals{'55555555-5555-5555-5555-555555555555', 44444444-4444-4444-4444-444444444444}", true},
		{"guid_without_hyphens", "@Resource[owner] GuidEquals 44444444444444444444444444444444", true},
		{"guid_not", "@Resource[owner] GuidNotEquals 44444444-4444-4444-4444-444444444444", false},
		{"exists", "Exists @Request[size]", true},
		{"not_exists", "NOT Exists @Request[snapshot] AND NotExists @Request[snapshot]", true},
		{"exists_empty", "Exists @Request[empty]", false},

		// What the request does not say makes nothing true.
		{"missing", "@Request[snapshot] StringEquals 'x'", false},
		{"missing_not_equals", "@Request[snapshot] StringNotEquals 'x'", false},
		{"missing_negated", "!(@Request[snapshot] StringEquals 'x')", false},
		{"missing_negated_twice", "!(!(@Request[snapshot] StringEquals 'x'))", false},
		{"missing_on_the_right", containerName + " StringNotEquals @Principal[team]", false},
		{"missing_beside_true", "@Request[snapshot] StringEquals 'x' OR " + containerName + " StringEquals 'c1'", true},
		{"missing_beside_false", "!(@Request[snapshot] StringEquals 'x' AND " + containerName + " StringEquals 'c2')", true},
		{"empty_for_all", "@Request[empty] ForAllOfAllValues:StringEquals {'x'}", false},
		{"wrong_type", "!(@Request[wrong] NumericEquals 1)", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := ParseCondition(test.text)
			if err != nil {
				t.Fatalf("%s: got %v (%s), want it read", test.text, err, explained(err))
			}
			request := blobRequest("Blob.Read.WithTagConditions")
			got, why := c.Holds(readBlob, request), c.Why(readBlob, request)
			if got != test.want || got != (why == "") {
				t.Errorf("%s: got %v because %q, want %v", test.text, got, why, test.want)
			}
			if got && c.Holds(readBlob, Attributes{}) && strings.Contains(test.text, "@") && !strings.Contains(test.text, "NotExists") && test.name != "another_action" {
				t.Errorf("%s: got it to hold without any attribute", test.text)
			}
		})
	}
}

func explained(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Explain
	}
	return ""
}

func TestParseConditionRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "  ", "at the end: an attribute or a value is missing"},
		{"prose", "only on Mondays", `at byte 5: "on": the operator`},
		{"without_operator", containerName, "at the end: an operator is missing"},
		{"without_right", containerName + " StringEquals", "at the end: an attribute or a value is missing"},
		{"unknown_operator", containerName + " StringMatches 'x'", "not one of Azure's"},
		{"unknown_quantifier", containerName + " ForSome:StringEquals 'x'", "not one of Azure's"},
		{"order_of_guids", "@Resource[x] GuidLessThan 44444444-4444-4444-4444-444444444444", "not one of Azure's"},
		{"and_or", "(Exists @Request[a]) AND (Exists @Request[b]) OR (Exists @Request[c])", "need parentheses"},
		{"open", "(Exists @Request[a]", "at the end: ')' is missing"},
		{"close", "Exists @Request[a])", "want the end"},
		{"string_end", "@Request[a] StringEquals 'x", "the string has no end"},
		{"attribute_end", "Exists @Request[a", "name has no end"},
		{"attribute_without_name", "Exists @Request[ ]", "no attribute's name"},
		{"attribute_alone", "Exists @Request", "@Source[name]"},
		{"source", "Exists @Subject[a]", "Resource, Request, Principal or Environment"},
		{"two_constants", "'a' StringEquals 'a'", "neither side"},
		{"set_without_quantifier", "@Request[a] StringEquals {'a','b'}", "several values need"},
		{"number", "@Request[a] NumericEquals 'x'", "is not an integer"},
		{"bool", "@Request[a] BoolEquals 1", "is not true or false"},
		{"time", "@Request[a] DateTimeEquals 'monday'", "is not a time"},
		{"guid", "@Request[a] GuidEquals 'x'", "is not a GUID"},
		{"word_for_string", "@Request[a] StringEquals x", "is not a string in quotes"},
		{"action_without_braces", "ActionMatches 'a'", "want '{'"},
		{"action_empty", "ActionMatches{}", "want a quoted action"},
		{"action_end", "ActionMatches{'a' 'b'}", "want ',' or '}'"},
		{"set_end", "@Request[a] ForAnyOfAnyValues:StringEquals {'a' 'b'}", "want ',' or '}'"},
		{"exists_value", "Exists 'a'", "want an attribute"},
		{"stray", "Exists @Request[a] ; DROP", "is not expected"},
		{"ampersand", "Exists @Request[a] & Exists @Request[b]", "is not expected"},
		{"deep", strings.Repeat("(", 65) + "Exists @Request[a]" + strings.Repeat(")", 65), "more than 64 levels"},
		{"long", strings.Repeat(" ", 8193), "at most 8192"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseCondition(test.text)
			if !errors.Is(err, ErrInvalidCondition) || !strings.Contains(explained(err), test.want) {
				t.Errorf("%s: got %v (%s), want InvalidCondition with %q", test.text, err, explained(err), test.want)
			}
		})
	}
	if _, err := ParseCondition(strings.Repeat("!", 63) + "Exists @Request[a]"); err != nil {
		t.Errorf("64 levels: got %v, want none", err)
	}
}

func TestConditionSaysWhatItSaw(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"comparison", "(!(ActionMatches{'*/blobs/read'})) OR (" + containerName + " StringEquals 'c2')",
			containerName + " StringEquals 'c2' does not hold: " + containerName + " is 'c1'"},
		{"missing", "@Request[snapshot]   StringEquals 'x'", "@Request[snapshot]   StringEquals 'x' does not hold: the request has no @Request[snapshot]"},
		{"both_sides", containerName + " StringEquals " + blobPath, containerName + " is 'c1', " + blobPath + " is 'logs/a.txt'"},
		{"negated", "!(" + containerName + " StringEquals 'c1')", "StringEquals 'c1' holds or cannot be told: " + containerName + " is 'c1'"},
		{"several", containerName + " StringEquals 'a' OR " + containerName + " StringEquals 'b'", "'a' does not hold: " + containerName + " is 'c1'; "},
		{"only_the_failing", containerName + " StringEquals 'c1' AND @Request[size] NumericEquals 1", "@Request[size] NumericEquals 1 does not hold: @Request[size] is '42'"},
		{"exists", "Exists @Request[snapshot]", "@Request[snapshot] is not there"},
		{"exists_not", "NOT Exists @Request[size]", "@Request[size] is there"},
		{"action", "ActionMatches{'a/b'}", "(ActionMatches{'a/b'}) does not hold for this action"},
		{"values", "@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags&$keys$&] ForAllOfAnyValues:StringEquals {'Project'}", "is 'Project', 'Program'"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := ParseCondition(test.text)
			if err != nil {
				t.Fatal(explained(err))
			}
			if got := c.Why(readBlob, blobRequest("")); !strings.Contains(got, test.want) {
				t.Errorf("%s:\n got %s\nwant %s", test.text, got, test.want)
			}
		})
	}
}

// TestQuantifiers holds every quantifier against the definition of it, on all small sets.
func TestQuantifiers(t *testing.T) {
	sets := [][]string{{"1"}, {"2"}, {"1", "2"}, {"2", "3"}, {"1", "2", "3"}}
	anyOf := func(of []string, f func(string) bool) bool { return slices.ContainsFunc(of, f) }
	allOf := func(of []string, f func(string) bool) bool {
		return !slices.ContainsFunc(of, func(s string) bool { return !f(s) })
	}
	over := map[string]func([]string, func(string) bool) bool{"Any": anyOf, "All": allOf}
	relations := map[string]func(l, r string) bool{
		"NumericEquals": func(l, r string) bool { return l == r }, "NumericLessThan": func(l, r string) bool { return l < r },
		"StringNotEquals": func(l, r string) bool { return l != r },
	}
	for _, left := range slices.Sorted(maps.Keys(over)) {
		for _, right := range slices.Sorted(maps.Keys(over)) {
			for name, relation := range relations {
				for _, l := range sets {
					for _, r := range sets {
						text := fmt.Sprintf("@Request[x] For%sOf%sValues:%s {'%s'}", left, right, name, strings.Join(r, "','"))
						c, err := ParseCondition(text)
						if err != nil {
							t.Fatal(explained(err))
						}
						want := over[left](l, func(a string) bool { return over[right](r, func(b string) bool { return relation(a, b) }) })
						if got := c.Holds(readBlob, asked("", map[string][]string{"Request/x": l})); got != want {
							t.Errorf("%v %s: got %v, want %v", l, text, got, want)
						}
					}
				}
			}
		}
	}
}

// FuzzParseCondition: nothing panics, and what is read is judged and explained
// in one voice, with and without attributes.
func FuzzParseCondition(f *testing.F) {
	for _, seed := range []string{
		"((!(ActionMatches{'a/b'} AND NOT SubOperationMatches{'Blob.List'})) OR (" + containerName + " StringEquals 'c1'))",
		"@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{44444444-4444-4444-4444-444444444444}",
		`@Request[odd] StringLike 'a\*b\?c\'d' && NotExists @Environment[x] || !Exists @Principal[y]`,
		"@Environment[UtcNow] DateTimeLessThan '2026-06-01' OR @Request[size] NumericGreaterThan 1",
		"", "((((", "@", "'", `'\`, "@[", "@Request[]", "{", "!!", "&&",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text)
		if err != nil {
			if !errors.Is(err, ErrInvalidCondition) || explained(err) == "" {
				t.Fatalf("%q: got %v (%q), want InvalidCondition with its reason", text, err, explained(err))
			}
			if text != "" && compileCondition(text).Holds(readBlob, blobRequest("")) {
				t.Fatalf("%q: got an unread condition to hold", text)
			}
			return
		}
		for _, request := range []Attributes{{}, blobRequest("Blob.List")} {
			if got, why := c.Holds(readBlob, request), c.Why(readBlob, request); got != (why == "") {
				t.Fatalf("%q: got %v and %q", text, got, why)
			}
		}
	})
}

func FuzzLike(f *testing.F) {
	f.Add("abcd", "a*c?")
	f.Add("a*b", `a\*?`)
	f.Fuzz(func(t *testing.T, text, pattern string) {
		if len(text) > 64 || len(pattern) > 16 {
			return
		}
		if got, want := likeText(text, pattern), oracleLike([]rune(text), []rune(pattern)); got != want {
			t.Fatalf("likeText(%q, %q) = %v, want %v", text, pattern, got, want)
		}
	})
}

// oracleLike is the definition, by recursion.
func oracleLike(text, pattern []rune) bool {
	if len(pattern) == 0 {
		return len(text) == 0
	}
	if pattern[0] == '*' {
		return oracleLike(text, pattern[1:]) || len(text) > 0 && oracleLike(text[1:], pattern)
	}
	if len(text) == 0 {
		return false
	}
	if pattern[0] == '\\' && len(pattern) > 1 && strings.ContainsRune(`*?\`, pattern[1]) {
		return text[0] == pattern[1] && oracleLike(text[1:], pattern[2:])
	}
	return (pattern[0] == '?' || pattern[0] == text[0]) && oracleLike(text[1:], pattern[1:])
}

// TestConditionalGrants: the condition of an assignment, or of its role, decides with the grant.
func TestConditionalGrants(t *testing.T) {
	conditional := grant(t, "Storage Blob Data Reader", account, objectID)
	conditional.Assignment.Condition = "(!(ActionMatches{'*/blobs/read'})) OR (" + containerName + " StringEquals 'c1')"
	blob := account + "/blobServices/default/containers/c1/blobs/a"
	v := DecideRole(workload(), readBlob, blob, []Grant{conditional}, blobRequest(""))
	if !v.Allowed {
		t.Errorf("got %+v, want allowed", v)
	}
	v = DecideRole(workload(), readBlob, blob, []Grant{conditional}, asked("", map[string][]string{
		"Resource/microsoft.storage/storageaccounts/blobservices/containers:name": {"c2"}}))
	if v.Allowed || v.Reason != ReasonCondition || !strings.Contains(v.Nearest, "StringEquals 'c1' does not hold: "+containerName+" is 'c2'") {
		t.Errorf("got %+v, want refused by the condition and why", v)
	}
	// Through a group, and never through the client id.
	conditional.Assignment.PrincipalID = groupID
	if v = DecideRole(workload(), readBlob, blob, []Grant{conditional}, blobRequest("")); !v.Allowed {
		t.Errorf("through a group: got %+v, want allowed", v)
	}
	conditional.Assignment.PrincipalID = clientID
	if v = DecideRole(workload(), readBlob, blob, []Grant{conditional}, blobRequest("")); v.Allowed || v.Reason != ReasonClientID {
		t.Errorf("to the client id: got %+v, want refused for that", v)
	}
	// A condition that cannot be read grants nothing, whatever the action.
	conditional.Assignment.PrincipalID, conditional.Assignment.Condition = objectID, "!(ActionMatches{'a/b'})) OR true"
	if v = DecideRole(workload(), readBlob, blob, []Grant{conditional}, blobRequest("")); v.Allowed || !strings.Contains(v.Nearest, "cannot be read") {
		t.Errorf("unreadable: got %+v, want refused", v)
	}
	// One without a condition beside it grants all the same.
	if v = DecideRole(workload(), readBlob, blob, []Grant{conditional, grant(t, "Storage Blob Data Reader", account, objectID)}, Attributes{}); !v.Allowed {
		t.Errorf("beside another: got %+v, want allowed", v)
	}
}

// TestConstrainedDelegation is Key Vault Data Access Administrator, whose role has the condition.
func TestConstrainedDelegation(t *testing.T) {
	held := []Grant{grant(t, "Key Vault Data Access Administrator", vault, objectID)}
	assigns := func(source, role string) Attributes {
		return asked("", map[string][]string{source + "/microsoft.authorization/roleassignments:roledefinitionid": {role}})
	}
	secretsUser, owner := grant(t, "Key Vault Secrets User", "/", "").Role.ID, grant(t, "Owner", "/", "").Role.ID
	remove := Action{Name: "Microsoft.Authorization/roleAssignments/delete"}
	for _, test := range []struct {
		name       string
		action     Action
		attributes Attributes
		want       bool
	}{
		{"assign", writeAssign, assigns("Request", secretsUser), true},
		{"assign_in_upper_case", writeAssign, assigns("Request", strings.ToUpper(secretsUser)), true},
		{"assign_owner", writeAssign, assigns("Request", owner), false},
		{"assign_by_the_resource", writeAssign, assigns("Resource", secretsUser), false},
		{"assign_nothing", writeAssign, Attributes{}, false},
		{"remove", remove, assigns("Resource", secretsUser), true},
		{"remove_owner", remove, assigns("Resource", owner), false},
		{"read", Action{Name: "Microsoft.Authorization/roleAssignments/read"}, Attributes{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if v := DecideRole(workload(), test.action, vault, held, test.attributes); v.Allowed != test.want {
				t.Errorf("got %+v, want allowed %v", v, test.want)
			}
		})
	}
}

func BenchmarkDecideRoleConditional(b *testing.B) {
	user, _ := BuiltinRole("Storage Blob Data Reader")
	g := Grant{Role: user, Assignment: Assignment{Name: "b", Scope: account, PrincipalID: objectID,
		Condition: "((!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'} AND NOT SubOperationMatches{'Blob.List'})) OR (" + containerName + " StringEquals 'c1'))"}}
	g.by, g.conditions = g.text(), g.compileConditions()
	p, request := workload(), Attributes{Value: func(string, string) ([]string, bool) { return []string{"c1"}, true }}
	b.ReportAllocs()
	for b.Loop() {
		if !DecideRole(p, readBlob, account+"/blobServices/default", []Grant{g}, request).Allowed {
			b.Fatal("refused")
		}
	}
}
