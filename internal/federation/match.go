package federation

import (
	"fmt"
	"slices"
	"strings"
)

// Credential is a federated credential of an identity.
type Credential struct {
	Name      string
	Issuer    string
	Subject   string
	Audiences []string // exactly one; any other number matches nothing
}

// Assertion is what a verified token claims.
type Assertion struct {
	Issuer    string
	Subject   string
	Audiences []string
}

// Part is one of the three things that must be equal.
type Part string

// The parts, in the order in which they are compared.
const (
	None     Part = ""
	Issuer   Part = "issuer"
	Subject  Part = "subject"
	Audience Part = "audience"
)

// Verdict says whether a token matches one of the credentials, and if not, how
// near it came.
type Verdict struct {
	// Matched is the credential that matches, nil when none does.
	Matched *Credential
	// Failed is the first part in which every credential that was left differs; None on a match.
	Failed Part
	// CaseOnly is true when the failed part of some credential left differs in nothing but case.
	CaseOnly bool
	// Nearest is the credential left that differs least in the failed part; nil
	// on a match and when there are no credentials.
	Nearest *Credential
	// Difference is what distinguishes the token from Nearest.
	Difference Difference
	// Assertion is what was looked at.
	Assertion Assertion
}

// Match compares a token's claims with an identity's credentials. The verdict
// points into credentials.
func Match(assertion Assertion, credentials []Credential) Verdict {
	left := make([]*Credential, len(credentials))
	for i := range credentials {
		left[i] = &credentials[i]
	}
	for _, part := range []Part{Issuer, Subject, Audience} {
		equal := keep(left, func(c *Credential) bool { return assertion.equals(part, c) })
		if len(equal) == 0 {
			return miss(assertion, part, left)
		}
		left = equal
	}
	return Verdict{Matched: left[0], Assertion: assertion}
}

func keep(credentials []*Credential, holds func(*Credential) bool) []*Credential {
	var kept []*Credential
	for _, c := range credentials {
		if holds(c) {
			kept = append(kept, c)
		}
	}
	return kept
}

func (a Assertion) equals(part Part, c *Credential) bool {
	switch part {
	case Issuer:
		return a.Issuer != "" && a.Issuer == c.Issuer
	case Subject:
		return a.Subject != "" && a.Subject == c.Subject
	case Audience:
		return len(c.Audiences) == 1 && c.Audiences[0] != "" && count(a.Audiences, c.Audiences[0]) == 1
	}
	return false
}

func count(values []string, want string) int {
	n := 0
	for _, value := range values {
		if value == want {
			n++
		}
	}
	return n
}

// miss finds the nearest of the credentials that were equal so far.
func miss(assertion Assertion, part Part, left []*Credential) Verdict {
	verdict := Verdict{Failed: part, Assertion: assertion}
	var best likeness
	for _, c := range left {
		difference, like := compare(assertion, c, part)
		if slices.Equal(difference.Kinds, []Kind{Case}) {
			verdict.CaseOnly = true
		}
		for _, later := range []Part{Subject, Audience} {
			if later != part && assertion.equals(later, c) {
				like.others++
			}
		}
		if verdict.Nearest == nil || best.less(like) {
			verdict.Nearest, verdict.Difference, best = c, difference, like
		}
	}
	return verdict
}

// Explain says in one line why the token matches or what differs.
func (v Verdict) Explain() string {
	a := v.Assertion
	switch {
	case v.Matched != nil:
		return fmt.Sprintf("federated credential %q matches: issuer %q, subject %q, audience %q",
			v.Matched.Name, a.Issuer, a.Subject, v.Matched.Audiences[0])
	case v.Nearest == nil:
		return fmt.Sprintf("the identity has no federated credential; the token has issuer %q, subject %q, audience %s",
			a.Issuer, a.Subject, list(a.Audiences))
	}
	var have string
	switch v.Failed {
	case Issuer:
		have = fmt.Sprintf("no federated credential has the token's issuer; nearest is %q", v.Nearest.Name)
	case Subject:
		have = fmt.Sprintf("issuer matches, subject does not; nearest is federated credential %q", v.Nearest.Name)
	case Audience:
		have = fmt.Sprintf("federated credential %q has the token's issuer and subject, but not its audience", v.Nearest.Name)
	}
	return have + ": " + v.Difference.String()
}

// list writes audiences for a person.
func list(audiences []string) string {
	quoted := make([]string, len(audiences))
	for i, audience := range audiences {
		quoted[i] = fmt.Sprintf("%q", audience)
	}
	switch len(quoted) {
	case 0:
		return "none"
	case 1:
		return quoted[0]
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
