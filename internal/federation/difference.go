package federation

import (
	"fmt"
	"math/bits"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/aksess/aksess/internal/chain"
)

// Kind names what distinguishes two values.
type Kind string

// The kinds of differences. The first four say that nothing else differs.
const (
	TrailingSlash Kind = "trailing slash"
	Case          Kind = "case"
	Whitespace    Kind = "whitespace" // white space or an invisible character
	Scheme        Kind = "scheme"     // http for https, or none

	Host           Kind = "host"            // of an issuer
	Path           Kind = "path"            // of an issuer: another tenant or cluster on the same host
	Namespace      Kind = "namespace"       // of a service account's subject
	ServiceAccount Kind = "service account" // its name
	Form           Kind = "form"            // one of the two is not a service account's subject
	Count          Kind = "count"           // the credential does not have exactly one audience, or the token has it twice
	Missing        Kind = "missing"         // the token lacks the claim
	Value          Kind = "value"           // anything else
)

// Difference is what distinguishes a token from a credential in one part.
type Difference struct {
	Part       Part
	Kinds      []Kind
	Presented  string // by the token: the part's value, or the piece of it that differs (the namespace, the host)
	Registered string // in the credential, likewise
}

// Is reports whether this kind is among those of the difference.
func (d Difference) Is(kind Kind) bool { return slices.Contains(d.Kinds, kind) }

// String is the difference in words, such as
//
//	issuer differs by trailing slash: the token has "https://h/a/", the credential "https://h/a"
func (d Difference) String() string {
	if d.Part == None {
		return "no difference"
	}
	kinds := make([]string, len(d.Kinds))
	for i, kind := range d.Kinds {
		kinds[i] = string(kind)
	}
	presented, registered := fmt.Sprintf("%q", d.Presented), fmt.Sprintf("%q", d.Registered)
	switch {
	case d.Is(Missing):
		return fmt.Sprintf("the token has no %s, the credential has %s", d.Part, registered)
	case d.Is(Count):
		presented, registered = d.Presented, d.Registered
	}
	text := fmt.Sprintf("%s differs by %s: the token has %s, the credential %s", d.Part, strings.Join(kinds, " and "), presented, registered)
	switch {
	case !d.Is(TrailingSlash):
		return text
	case strings.HasSuffix(d.Registered, "/"):
		return text + " (the credential has a / too many at its end)"
	}
	return text + " (the credential lacks the / at its end)"
}

// likeness orders the misses; the greatest is the nearest.
type likeness struct {
	explained int // a difference in fewer simple things is nearer
	others    int // of the parts compared later that are equal
	shared    int // per mille of the longer value that both begin and end with
}

func (l likeness) less(other likeness) bool {
	switch {
	case l.explained != other.explained:
		return l.explained < other.explained
	case l.others != other.others:
		return l.others < other.others
	}
	return l.shared < other.shared
}

// compare describes how a credential differs in a part in which it does.
func compare(a Assertion, c *Credential, part Part) (Difference, likeness) {
	switch part {
	case Issuer:
		return compareValues(part, a.Issuer, c.Issuer, splitIssuer)
	case Subject:
		return compareValues(part, a.Subject, c.Subject, splitSubject)
	}
	return compareAudiences(a.Audiences, c.Audiences)
}

// compareAudiences compares with the token's audience that is nearest.
func compareAudiences(presented, registered []string) (Difference, likeness) {
	if len(registered) != 1 || count(presented, registered[0]) > 1 {
		return Difference{Part: Audience, Kinds: []Kind{Count}, Presented: list(presented), Registered: list(registered)}, likeness{}
	}
	if len(presented) == 0 {
		return compareValues(Audience, "", registered[0], splitNothing)
	}
	nearest, best := compareValues(Audience, presented[0], registered[0], splitNothing)
	for _, audience := range presented[1:] {
		if difference, like := compareValues(Audience, audience, registered[0], splitNothing); best.less(like) {
			nearest, best = difference, like
		}
	}
	return nearest, best
}

// splitter names the pieces in which two values differ that no simple change
// makes equal; it fills in kinds and the differing pieces.
type splitter func(d *Difference)

func compareValues(part Part, presented, registered string, split splitter) (Difference, likeness) {
	d := Difference{Part: part, Presented: presented, Registered: registered}
	like := likeness{shared: shared(presented, registered)}
	if presented == "" {
		d.Kinds = []Kind{Missing}
		return d, like
	}
	if d.Kinds = simple(presented, registered); d.Kinds != nil {
		like.explained = len(changes()) + 1 - len(d.Kinds)
		return d, like
	}
	split(&d)
	return d, like
}

type change struct {
	kind Kind
	undo func(string) string
}

func changes() []change {
	return []change{
		{TrailingSlash, func(s string) string { return strings.TrimRight(s, "/") }},
		{Case, foldCase},
		{Whitespace, visible},
		{Scheme, withoutScheme},
	}
}

// simple returns the fewest of the changes that together make the values
// equal, nil when not even all of them do.
func simple(presented, registered string) []Kind {
	all := changes()
	everything := uint(1)<<len(all) - 1
	fewest := undone(all, everything, presented, registered)
	if fewest == nil {
		return nil // what all of them cannot do, fewer cannot: strangers send long values
	}
	for set := uint(1); set < everything; set++ {
		if bits.OnesCount(set) >= len(fewest) {
			continue
		}
		if kinds := undone(all, set, presented, registered); kinds != nil {
			fewest = kinds
		}
	}
	return fewest
}

// undone returns the kinds of a set of changes when undoing them makes the values equal, else nil.
func undone(all []change, set uint, x, y string) []Kind {
	var kinds []Kind
	// White space goes first, so that a slash before it is still at the end.
	for i := len(all) - 1; i >= 0; i-- {
		if set&(1<<i) != 0 {
			x, y = all[i].undo(x), all[i].undo(y)
			kinds = append([]Kind{all[i].kind}, kinds...)
		}
	}
	if x != y {
		return nil
	}
	return kinds
}

// foldCase makes texts equal that strings.EqualFold calls equal, nearly: it is for explaining only.
func foldCase(s string) string { return strings.ToLower(strings.ToUpper(s)) }

func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Cc) {
			return -1
		}
		return r
	}, s)
}

func withoutScheme(s string) string {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		return rest
	}
	return s
}

func splitNothing(d *Difference) { d.Kinds = []Kind{Value} }

func splitIssuer(d *Difference) {
	presented, err1 := url.Parse(d.Presented)
	registered, err2 := url.Parse(d.Registered)
	switch {
	case err1 != nil || err2 != nil || presented.Host == "" || registered.Host == "":
		d.Kinds = []Kind{Value}
	case presented.Host != registered.Host:
		d.Kinds, d.Presented, d.Registered = []Kind{Host}, presented.Host, registered.Host
	case presented.Path != registered.Path:
		d.Kinds, d.Presented, d.Registered = []Kind{Path}, presented.Path, registered.Path
	default:
		d.Kinds = []Kind{Value}
	}
}

func splitSubject(d *Difference) {
	namespace1, name1, err1 := chain.ParseSubject(d.Presented)
	namespace2, name2, err2 := chain.ParseSubject(d.Registered)
	switch {
	case err1 != nil && err2 != nil:
		d.Kinds = []Kind{Value}
	case err1 != nil || err2 != nil:
		d.Kinds = []Kind{Form}
	case namespace1 != namespace2 && name1 != name2:
		d.Kinds = []Kind{Namespace, ServiceAccount}
	case namespace1 != namespace2:
		d.Kinds, d.Presented, d.Registered = []Kind{Namespace}, namespace1, namespace2
	default:
		d.Kinds, d.Presented, d.Registered = []Kind{ServiceAccount}, name1, name2
	}
}

// shared returns how much of the longer value both begin and end with, in
// per mille. Unlike an edit distance it takes linear time on hostile values.
func shared(x, y string) int {
	if len(x) < len(y) {
		x, y = y, x
	}
	if len(x) == 0 {
		return 0
	}
	head, tail := 0, 0
	for head < len(y) && x[head] == y[head] {
		head++
	}
	for tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	return (head + tail) * 1000 / len(x)
}
