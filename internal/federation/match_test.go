package federation

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/chain"
)

const (
	issuer   = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"
	subject  = "system:serviceaccount:widemo:wi-demo-sa"
	audience = chain.TokenAudience
)

func fic(name, issuer, subject string, audiences ...string) Credential {
	return Credential{Name: name, Issuer: issuer, Subject: subject, Audiences: audiences}
}

// TestMatchTruthTable lets every condition fail alone and together; only all three match.
func TestMatchTruthTable(t *testing.T) {
	for mask := range 8 {
		a := Assertion{Issuer: issuer, Subject: subject, Audiences: []string{audience}}
		want := None
		if mask&4 != 0 {
			a.Audiences, want = []string{"api://other"}, Audience
		}
		if mask&2 != 0 {
			a.Subject, want = "system:serviceaccount:other:sa", Subject
		}
		if mask&1 != 0 {
			a.Issuer, want = "https://other.example/", Issuer
		}
		t.Run(fmt.Sprintf("wrong_%03b", mask), func(t *testing.T) {
			v := Match(a, []Credential{fic("demo", issuer, subject, audience)})
			if v.Failed != want || (v.Matched != nil) != (want == None) || (v.Nearest != nil) != (want != None) {
				t.Errorf("got %+v, want failed %q", v, want)
			}
		})
	}
}

// TestMatchPartsOfDifferentCredentials: three credentials that have one part
// each do not add up to a match (AND across one credential, not across all).
func TestMatchPartsOfDifferentCredentials(t *testing.T) {
	credentials := []Credential{
		fic("one", issuer, "system:serviceaccount:a:b", audience),
		fic("two", "https://other.example", subject, audience),
		fic("three", issuer, subject, "api://other"),
	}
	v := Match(Assertion{Issuer: issuer, Subject: subject, Audiences: []string{audience}}, credentials)
	if v.Matched != nil || v.Failed != Audience || v.Nearest.Name != "three" {
		t.Errorf("got %+v, want the audience of three to fail", v)
	}
}

func TestMatchChoosesTheCredential(t *testing.T) {
	credentials := []Credential{
		fic("other-namespace", issuer, "system:serviceaccount:other:wi-demo-sa", audience),
		fic("other-issuer", strings.TrimSuffix(issuer, "/"), subject, audience),
		fic("right", issuer, subject, audience),
	}
	v := Match(Assertion{Issuer: issuer, Subject: subject, Audiences: []string{audience}}, credentials)
	if v.Matched != &credentials[2] || v.Failed != None || v.Nearest != nil || v.CaseOnly {
		t.Errorf("got %+v, want right", v)
	}
	want := `federated credential "right" matches: issuer "` + issuer + `", subject "` + subject + `", audience "` + audience + `"`
	if got := v.Explain(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMatchAudiences(t *testing.T) {
	tests := []struct {
		name       string
		presented  []string
		registered []string
		want       bool
	}{
		{"one", []string{audience}, []string{audience}, true},
		{"among_others", []string{"https://kubernetes.default.svc", audience}, []string{audience}, true},
		{"twice", []string{audience, audience}, []string{audience}, false},
		{"none", nil, []string{audience}, false},
		{"empty_array", []string{}, []string{audience}, false},
		{"empty_text", []string{""}, []string{""}, false},
		{"substring", []string{audience + "2"}, []string{audience}, false},
		{"prefix", []string{audience[:10]}, []string{audience}, false},
		{"case", []string{strings.ToLower(audience)}, []string{audience}, false},
		{"slash", []string{audience + "/"}, []string{audience}, false},
		{"token_endpoint", []string{"https://login.microsoftonline.com/t/oauth2/v2.0/token"}, []string{audience}, false},
		{"credential_with_two", []string{audience}, []string{audience, "api://other"}, false},
		{"credential_with_none", []string{audience}, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := Match(Assertion{Issuer: issuer, Subject: subject, Audiences: test.presented}, []Credential{fic("demo", issuer, subject, test.registered...)})
			if got := v.Matched != nil; got != test.want {
				t.Errorf("got %v, want %v: %s", got, test.want, v.Explain())
			}
			if !test.want && v.Failed != Audience {
				t.Errorf("got failed %q, want audience", v.Failed)
			}
		})
	}
}

func TestMatchEmptyClaimsMatchNothing(t *testing.T) {
	for _, a := range []Assertion{{}, {Subject: subject, Audiences: []string{audience}}, {Issuer: issuer, Audiences: []string{audience}}} {
		credential := fic("same", a.Issuer, a.Subject, audience)
		if v := Match(a, []Credential{credential}); v.Matched != nil {
			t.Errorf("%+v matches", a)
		}
	}
}

func TestMatchDifference(t *testing.T) {
	const noSlash = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222"
	tests := []struct {
		name                  string
		part                  Part
		presented, registered string
		kinds                 []Kind
		caseOnly              bool
		from, to              string // the differing pieces; empty means the values
	}{
		{"slash_missing", Issuer, issuer, noSlash, []Kind{TrailingSlash}, false, "", ""},
		{"slash_too_many", Issuer, noSlash, issuer, []Kind{TrailingSlash}, false, "", ""},
		{"issuer_case", Issuer, issuer, strings.ToUpper(issuer[:20]) + issuer[20:], []Kind{Case}, true, "", ""},
		{"issuer_scheme", Issuer, issuer, strings.Replace(issuer, "https", "http", 1), []Kind{Scheme}, false, "", ""},
		{"issuer_no_scheme", Issuer, issuer, strings.TrimPrefix(issuer, "https://"), []Kind{Scheme}, false, "", ""},
		{"issuer_space", Issuer, issuer, issuer + " ", []Kind{Whitespace}, false, "", ""},
		{"issuer_zero_width", Issuer, issuer, "\u200b" + issuer, []Kind{Whitespace}, false, "", ""},
		{"issuer_slash_and_scheme", Issuer, issuer, strings.TrimPrefix(noSlash, "https://"), []Kind{TrailingSlash, Scheme}, false, "", ""},
		{"issuer_slash_and_space", Issuer, issuer, noSlash + "\n", []Kind{TrailingSlash, Whitespace}, false, "", ""},
		{"issuer_slash_before_space", Issuer, noSlash, issuer + "\n", []Kind{TrailingSlash, Whitespace}, false, "", ""},
		{"issuer_region", Issuer, issuer, strings.Replace(issuer, "westeurope", "northeurope", 1), []Kind{Host}, false, "westeurope.oic.prod-aks.azure.com", "northeurope.oic.prod-aks.azure.com"},
		{"issuer_port", Issuer, "https://h:8443/a", "https://h/a", []Kind{Host}, false, "h:8443", "h"},
		{"issuer_cluster", Issuer, issuer, strings.Replace(issuer, "2222/", "2223/", 1), []Kind{Path}, false, issuer[41:], strings.Replace(issuer[41:], "2222/", "2223/", 1)},
		{"issuer_percent", Issuer, "https://h/a%41", "https://h/aA", []Kind{Value}, false, "", ""},
		{"issuer_no_url", Issuer, "kubernetes/serviceaccount", issuer, []Kind{Value}, false, "", ""},
		{"issuer_missing", Issuer, "", issuer, []Kind{Missing}, false, "", ""},
		{"namespace", Subject, subject, "system:serviceaccount:default:wi-demo-sa", []Kind{Namespace}, false, "widemo", "default"},
		{"service_account", Subject, subject, "system:serviceaccount:widemo:default", []Kind{ServiceAccount}, false, "wi-demo-sa", "default"},
		{"both", Subject, subject, "system:serviceaccount:a:b", []Kind{Namespace, ServiceAccount}, false, "", ""},
		{"subject_case", Subject, subject, "system:serviceaccount:WIdemo:wi-demo-sa", []Kind{Case}, true, "", ""},
		{"subject_space", Subject, subject, "system:serviceaccount:widemo: wi-demo-sa", []Kind{Whitespace}, false, "", ""},
		{"subject_case_and_space", Subject, subject, " System:serviceaccount:widemo:wi-demo-sa", []Kind{Case, Whitespace}, false, "", ""},
		{"subject_form", Subject, subject, "repo:octo/app:ref:refs/heads/main", []Kind{Form}, false, "", ""},
		{"github_environment", Subject, "repo:octo/app:environment:prod", "repo:octo/app:ref:refs/heads/main", []Kind{Value}, false, "", ""},
		{"audience_case", Audience, strings.ToLower(audience), audience, []Kind{Case}, true, "", ""},
		{"audience_other", Audience, "https://kubernetes.default.svc", audience, []Kind{Value}, false, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := Assertion{Issuer: issuer, Subject: subject, Audiences: []string{audience}}
			c := fic("demo", issuer, subject, audience)
			switch test.part {
			case Issuer:
				a.Issuer, c.Issuer = test.presented, test.registered
			case Subject:
				a.Subject, c.Subject = test.presented, test.registered
			case Audience:
				a.Audiences, c.Audiences = []string{test.presented}, []string{test.registered}
			}
			if test.from == "" && test.to == "" {
				test.from, test.to = test.presented, test.registered
			}
			v := Match(a, []Credential{c})
			want := Difference{Part: test.part, Kinds: test.kinds, Presented: test.from, Registered: test.to}
			if got := v.Difference; got.Part != want.Part || !slices.Equal(got.Kinds, want.Kinds) || got.Presented != want.Presented || got.Registered != want.Registered {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if v.CaseOnly != test.caseOnly {
				t.Errorf("got case only %v, want %v", v.CaseOnly, test.caseOnly)
			}
		})
	}
}

func TestMatchNearest(t *testing.T) {
	a := Assertion{Issuer: issuer, Subject: subject, Audiences: []string{audience}}
	slash := fic("slash", strings.TrimSuffix(issuer, "/"), subject, audience)
	slashAndScheme := fic("slash-and-scheme", strings.TrimPrefix(slash.Issuer, "https://"), subject, audience)
	slashAndSpace := fic("slash-and-space", slash.Issuer+" ", subject, audience)
	slashOtherSubject := fic("slash-other-subject", slash.Issuer, "system:serviceaccount:a:b", audience)
	cluster := fic("cluster", strings.Replace(issuer, "2222/", "2223/", 1), subject, audience)
	clusterOther := fic("cluster-other", strings.Replace(issuer, "2222/", "2223/", 1), "system:serviceaccount:a:b", audience)
	github := fic("github", "https://token.actions.githubusercontent.com", subject, audience)
	tests := []struct {
		name        string
		credentials []Credential
		want        string
	}{
		{"simple_before_like", []Credential{cluster, slash}, "slash"},
		{"fewer_changes", []Credential{slashAndScheme, slash}, "slash"},
		{"fewer_changes_though_less_alike", []Credential{slashAndSpace, fic("case", strings.ToUpper(issuer), subject, audience)}, "case"},
		{"same_subject", []Credential{slashOtherSubject, slash}, "slash"},
		{"same_subject_of_another_cluster", []Credential{clusterOther, cluster}, "cluster"},
		{"more_alike", []Credential{github, cluster}, "cluster"},
		{"first_of_equals", []Credential{cluster, fic("twin", cluster.Issuer, subject, audience)}, "cluster"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Match(a, test.credentials).Nearest.Name; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestMatchNearestAudience: of several audiences the nearest is named, and one too many times is not a matter of its value.
func TestMatchNearestAudience(t *testing.T) {
	lower := strings.ToLower(audience)
	tests := []struct {
		name      string
		audiences []string
		kind      Kind
		presented string
	}{
		{"case_among_others", []string{"https://kubernetes.default.svc", lower, "x"}, Case, lower},
		{"case_first", []string{lower, "x"}, Case, lower},
		{"twice", []string{audience, "x", audience}, Count, `["` + audience + `", "x", "` + audience + `"]`},
		{"none", nil, Missing, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := Match(Assertion{Issuer: issuer, Subject: subject, Audiences: test.audiences}, []Credential{fic("demo", issuer, subject, audience)})
			if !slices.Equal(v.Difference.Kinds, []Kind{test.kind}) || v.Difference.Presented != test.presented || v.CaseOnly != (test.kind == Case) {
				t.Errorf("got %+v, want %s of %q", v.Difference, test.kind, test.presented)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	tests := []struct {
		name string
		a    Assertion
		c    []Credential
		want string
	}{
		{
			"nothing_registered", Assertion{Issuer: "https://i/", Subject: "s", Audiences: []string{"a", "b"}}, nil,
			`the identity has no federated credential; the token has issuer "https://i/", subject "s", audience ["a", "b"]`,
		},
		{
			"slash", Assertion{Issuer: "https://i/a/", Subject: "s", Audiences: []string{"a"}}, []Credential{fic("demo", "https://i/a", "s", "a")},
			`no federated credential has the token's issuer; nearest is "demo": issuer differs by trailing slash: the token has "https://i/a/", the credential "https://i/a" (the credential lacks the / at its end)`,
		},
		{
			"slash_too_many", Assertion{Issuer: "https://i", Subject: "s", Audiences: []string{"a"}}, []Credential{fic("demo", "https://i/", "s", "a")},
			`no federated credential has the token's issuer; nearest is "demo": issuer differs by trailing slash: the token has "https://i", the credential "https://i/" (the credential has a / too many at its end)`,
		},
		{
			"namespace", Assertion{Issuer: "https://i/", Subject: subject, Audiences: []string{"a"}}, []Credential{fic("demo", "https://i/", "system:serviceaccount:default:wi-demo-sa", "a")},
			`issuer matches, subject does not; nearest is federated credential "demo": subject differs by namespace: the token has "widemo", the credential "default"`,
		},
		{
			"audience", Assertion{Issuer: "https://i/", Subject: "s", Audiences: []string{"https://kubernetes.default.svc"}}, []Credential{fic("demo", "https://i/", "s", audience)},
			`federated credential "demo" has the token's issuer and subject, but not its audience: audience differs by value: the token has "https://kubernetes.default.svc", the credential "api://AzureADTokenExchange"`,
		},
		{
			"two_audiences", Assertion{Issuer: "https://i/", Subject: "s", Audiences: []string{"a"}}, []Credential{fic("demo", "https://i/", "s", "a", "b")},
			`federated credential "demo" has the token's issuer and subject, but not its audience: audience differs by count: the token has "a", the credential ["a", "b"]`,
		},
		{
			"no_subject", Assertion{Issuer: "https://i/", Audiences: []string{"a"}}, []Credential{fic("demo", "https://i/", "s", "a")},
			`issuer matches, subject does not; nearest is federated credential "demo": the token has no subject, the credential has "s"`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Match(test.a, test.c).Explain(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// FuzzMatch holds the verdict against the plain definition of a match.
func FuzzMatch(f *testing.F) {
	f.Add(issuer, subject, audience, issuer, subject, audience)
	f.Add(issuer, subject, audience, issuer+"/", subject+" ", strings.ToUpper(audience))
	f.Add("", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, i1, s1, a1, i2, s2, a2 string) {
		v := Match(Assertion{Issuer: i1, Subject: s1, Audiences: []string{a1}}, []Credential{fic("x", i2, s2, a2)})
		want := i1 == i2 && s1 == s2 && a1 == a2 && i1 != "" && s1 != "" && a1 != ""
		if (v.Matched != nil) != want || (v.Failed == None) != want {
			t.Errorf("got %+v, want a match: %v", v, want)
		}
		if text := v.Explain(); text == "" || strings.ContainsAny(text, "\n\r") {
			t.Errorf("got explanation %q, want one line", text)
		}
	})
}
