package access

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/chain"
)

// valueKind is the type that an operator compares.
type valueKind int

const (
	kindString valueKind = iota
	kindNumber
	kindBool
	kindTime
	kindGUID
)

// value is an operand's value in the operator's type.
type value struct {
	text   string // strings as they are, GUIDs in lower case without hyphens
	number int64  // numbers, and 0 or 1
	moment time.Time
}

// literal is a value as a condition writes it.
type literal struct {
	text   string
	quoted bool
}

// read reads a text as a value of the kind.
func (k valueKind) read(text string) (v value, ok bool) {
	v.text = text
	switch k {
	case kindNumber:
		n, err := strconv.ParseInt(text, 10, 64)
		v.number, ok = n, err == nil
	case kindBool:
		ok = strings.EqualFold(text, "true") || strings.EqualFold(text, "false")
		if strings.EqualFold(text, "true") {
			v.number = 1
		}
	case kindTime:
		v.moment, ok = readTime(text)
	case kindGUID:
		v.text = strings.ReplaceAll(strings.ToLower(text), "-", "")
		ok = chain.IsGUID(text) || len(text) == 32 && isHex(v.text) // conditions of built-in roles leave the hyphens out
	default:
		ok = true
	}
	return v, ok
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// readTime takes the forms that Azure's examples and Storage's versions have. A
// time without a zone is UTC.
func readTime(text string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func (k valueKind) String() string {
	return [...]string{"a string in quotes", "an integer", "true or false", "a time such as '2026-05-01T13:00:00.000Z'", "a GUID"}[k]
}

// order says in which orders of left and right a relation is true.
type order int

const (
	less order = 1 << iota
	equal
	greater
)

// relation is an operator without its quantifier.
type relation struct {
	kind   valueKind
	holds  func(left, right value) bool
	negate bool
}

func (r *relation) of(left, right value) bool { return r.holds(left, right) != r.negate }

// quantifier is how an operator reads several values: ForAnyOfAllValues is true
// if any value on the left compares to all values on the right. The zero
// quantifier compares one with one.
type quantifier struct{ left, right extent }

type extent int

const (
	one extent = iota
	anyValue
	allValues
)

func (q quantifier) over(left, right []value, r *relation) bool {
	for _, l := range left {
		if holds := q.overRight(l, right, r); holds != (q.left == allValues) {
			return holds
		}
	}
	return q.left == allValues
}

func (q quantifier) overRight(l value, right []value, r *relation) bool {
	for _, v := range right {
		if holds := r.of(l, v); holds != (q.right == allValues) {
			return holds
		}
	}
	return q.right == allValues
}

var errOperator = errors.New("the operator is not one of Azure's")

// parseOperator reads an operator such as ForAnyOfAnyValues:StringNotEqualsIgnoreCase.
func parseOperator(text string) (relation, quantifier, error) {
	name, q := strings.ToLower(text), quantifier{}
	if prefix, rest, found := strings.Cut(name, ":"); found {
		switch name = rest; prefix {
		case "foranyofanyvalues":
			q = quantifier{anyValue, anyValue}
		case "forallofanyvalues":
			q = quantifier{allValues, anyValue}
		case "foranyofallvalues":
			q = quantifier{anyValue, allValues}
		case "forallofallvalues":
			q = quantifier{allValues, allValues}
		default:
			return relation{}, q, fmt.Errorf("%q: %w", clipText(text), errOperator)
		}
	}
	r, ok := relationOf(name)
	if !ok {
		return r, q, fmt.Errorf("%q: %w", clipText(text), errOperator)
	}
	return r, q, nil
}

// relationOf finds a relation by its name in lower case.
func relationOf(name string) (relation, bool) {
	if rest, found := strings.CutPrefix(name, "string"); found {
		return stringRelation(rest)
	}
	for prefix, kind := range map[string]valueKind{"numeric": kindNumber, "datetime": kindTime, "bool": kindBool, "guid": kindGUID} {
		if rest, found := strings.CutPrefix(name, prefix); found {
			return orderRelation(kind, rest)
		}
	}
	return relation{}, false
}

// orderRelation is of numbers and times; of booleans and GUIDs only whether they are equal.
func orderRelation(kind valueKind, name string) (relation, bool) {
	holds, ok := map[string]order{
		"equals": equal, "notequals": less | greater,
		"lessthan": less, "lessthanequals": less | equal, "greaterthan": greater, "greaterthanequals": greater | equal,
	}[name]
	if !ok || (kind == kindBool || kind == kindGUID) && strings.Contains(name, "than") {
		return relation{}, false
	}
	return relation{kind: kind, holds: func(left, right value) bool { return holds&compareValues(kind, left, right) != 0 }}, true
}

func compareValues(kind valueKind, left, right value) order {
	var sign int
	switch kind {
	case kindTime:
		sign = left.moment.Compare(right.moment)
	case kindGUID:
		sign = strings.Compare(left.text, right.text)
	default:
		sign = cmp.Compare(left.number, right.number)
	}
	switch {
	case sign < 0:
		return less
	case sign > 0:
		return greater
	default:
		return equal
	}
}

// stringRelation reads [Not](Equals|StartsWith|Like)[IgnoreCase], in lower case.
func stringRelation(name string) (relation, bool) {
	name, fold := strings.CutSuffix(name, "ignorecase")
	name, negate := strings.CutPrefix(name, "not")
	compare, ok := map[string]func(left, right string) bool{
		"equals": equalText, "startswith": startsText, "like": likeText,
	}[name]
	if !ok {
		return relation{}, false
	}
	holds := func(left, right value) bool { return compare(left.text, right.text) }
	if fold {
		holds = func(left, right value) bool { return compare(strings.ToLower(left.text), strings.ToLower(right.text)) }
	}
	return relation{kind: kindString, holds: holds, negate: negate}, true
}

func equalText(left, right string) bool { return left == right }

func startsText(left, right string) bool { return strings.HasPrefix(left, right) }

// likeText matches a whole text against a pattern: * is any text, ? any one
// character, and a backslash takes the meaning from either.
func likeText(text, pattern string) bool {
	t, p := []rune(text), []rune(pattern)
	i, j := 0, 0
	star, resume := -1, 0
	for i < len(t) {
		switch literal, width := likeAt(p, j); {
		case j < len(p) && width == 1 && p[j] == '*':
			star, resume = j, i
			j++
		case width > 0 && (width == 1 && p[j] == '?' || literal == t[i]):
			i, j = i+1, j+width
		case star >= 0:
			resume++
			i, j = resume, star+1
		default:
			return false
		}
	}
	for j < len(p) && p[j] == '*' {
		j++
	}
	return j == len(p)
}

// likeAt is the character that a pattern stands for at a place, and how much
// of the pattern that takes: 2 with an escape, 0 at the end.
func likeAt(p []rune, j int) (literal rune, width int) {
	switch {
	case j >= len(p):
		return 0, 0
	case p[j] == '\\' && j+1 < len(p) && (p[j+1] == '*' || p[j+1] == '?' || p[j+1] == '\\'):
		return p[j+1], 2
	default:
		return p[j], 1
	}
}

// check makes the literals values of the operator's type.
func (c *comparison) check() error {
	if !c.left.isAttribute() && !c.right.isAttribute() {
		return fmt.Errorf("at byte %d: neither side of the comparison is an attribute", c.start)
	}
	for _, o := range []*operand{&c.left, &c.right} {
		if c.quantifier == (quantifier{}) && len(o.literals) > 1 {
			return fmt.Errorf("at byte %d: several values need an operator such as ForAnyOfAnyValues:StringEquals", c.start)
		}
		for i := range o.literals {
			l := &o.literals[i]
			v, ok := c.relation.kind.read(l.text)
			if !ok || c.relation.kind == kindString && !l.quoted {
				return fmt.Errorf("at byte %d: %q is not %s, which the operator compares", c.start, clipText(l.text), c.relation.kind)
			}
			o.fixed = append(o.fixed, v)
		}
	}
	return nil
}
