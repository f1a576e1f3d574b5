package graph

import (
	"fmt"
	"slices"
	"strings"
)

const (
	maxFilter = 4096 // bytes
	maxNested = 32   // parentheses within each other
)

// filter decides whether an object is in a list. nil takes all.
type filter func(o object) bool

// operand is what kind of value a property has in filters.
type operand int

const (
	text  operand = iota + 1
	flag          // true or false
	texts         // a collection: asked with any()
)

// parseFilter parses the part of OData's filters that clients of Graph send: eq,
// ne, in, startswith, endswith, any over collections, and, or, not and
// parentheses (https://learn.microsoft.com/graph/filter-query-parameter).
// Strings compare without case, as in Graph's directory. Errors: badFilter for
// what is not OData, noFilter for a property or operator that is not served.
func parseFilter(input string, of *kind) (filter, error) {
	if strings.TrimSpace(input) == "" {
		return nil, nil
	}
	if len(input) > maxFilter {
		return nil, badFilter.New(fmt.Sprintf("it is longer than %d bytes", maxFilter))
	}
	tokens, err := lex(input)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, of: of}
	f, err := p.either()
	if err == nil && len(p.tokens) > 0 {
		err = p.unexpected(p.tokens[0])
	}
	return f, err
}

type parser struct {
	tokens []token
	of     *kind
	depth  int
}

func (p *parser) next() token {
	if len(p.tokens) == 0 {
		return token{at: -1}
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

// accept takes the next token if it is that word or sign.
func (p *parser) accept(word string) bool {
	if len(p.tokens) == 0 || p.tokens[0].quoted || !strings.EqualFold(p.tokens[0].text, word) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *parser) expect(signs ...string) error {
	for _, sign := range signs {
		if t := p.next(); t.quoted || t.text != sign {
			return p.unexpected(t)
		}
	}
	return nil
}

func (p *parser) unexpected(t token) error {
	if t.at < 0 {
		return badFilter.New("Expression ends early")
	}
	return badFilter.New(fmt.Sprintf("Syntax error at position %d: '%.64s' is not expected", t.at, t.text))
}

func (p *parser) either() (filter, error) { return p.joined("or", p.both) }

func (p *parser) both() (filter, error) { return p.joined("and", p.one) }

// joined parses one or more parts with a word between them.
func (p *parser) joined(word string, part func() (filter, error)) (filter, error) {
	first, err := part()
	if err != nil {
		return nil, err
	}
	parts := []filter{first}
	for p.accept(word) {
		next, err := part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, next)
	}
	if len(parts) == 1 {
		return first, nil
	}
	all := word == "and"
	return func(o object) bool {
		for _, part := range parts {
			if part(o) != all {
				return !all
			}
		}
		return all
	}, nil
}

func (p *parser) one() (filter, error) {
	if p.depth++; p.depth > maxNested {
		return nil, badFilter.New("it is nested too deep")
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("not"):
		inner, err := p.one()
		if err != nil {
			return nil, err
		}
		return func(o object) bool { return !inner(o) }, nil
	case p.accept("("):
		inner, err := p.either()
		if err == nil {
			err = p.expect(")")
		}
		return inner, err
	default:
		return p.comparison()
	}
}

func (p *parser) comparison() (filter, error) {
	name := p.next()
	if name.quoted || name.at < 0 || strings.Contains("(),:/", name.text) {
		return nil, p.unexpected(name)
	}
	if match := functions[strings.ToLower(name.text)]; match != nil {
		return p.function(match)
	}
	if p.accept("/") {
		return p.any(name.text)
	}
	switch p.of.filters[name.text] {
	case text:
		match, err := p.textual(name.text)
		if err != nil {
			return nil, err
		}
		return func(o object) bool { return match(o.text(name.text)) }, nil
	case flag:
		return p.boolean(name.text)
	default:
		return nil, p.unsupported(name.text)
	}
}

func (p *parser) unsupported(name string) error { return noFilter.New(name, p.of.name) }

// function parses (property,'value') after the function's name.
func (p *parser) function(build func(string) matcher) (filter, error) {
	name, match, err := p.call(build)
	if err != nil {
		return nil, err
	}
	if p.of.filters[name] != text {
		return nil, p.unsupported(name)
	}
	return func(o object) bool { return match(o.text(name)) }, nil
}

func (p *parser) call(build func(string) matcher) (string, matcher, error) {
	if err := p.expect("("); err != nil {
		return "", nil, err
	}
	name := p.next()
	if err := p.expect(","); err != nil {
		return "", nil, err
	}
	value := p.next()
	if name.quoted || !value.quoted {
		return "", nil, p.unexpected(value)
	}
	return name.text, build(value.text), p.expect(")")
}

// textual parses an operator and its strings.
func (p *parser) textual(name string) (matcher, error) {
	switch {
	case p.accept("eq"):
		return p.literal()
	case p.accept("ne"):
		match, err := p.literal()
		if err != nil {
			return nil, err
		}
		return func(value string, ok bool) bool { return !match(value, ok) }, nil
	case p.accept("in"):
		return p.among()
	case len(p.tokens) == 0:
		return nil, p.unexpected(p.next())
	default:
		return nil, p.unsupported(name)
	}
}

func (p *parser) literal() (matcher, error) {
	if p.accept("null") {
		return func(_ string, ok bool) bool { return !ok }, nil
	}
	value := p.next()
	if !value.quoted {
		return nil, p.unexpected(value)
	}
	return equal(value.text), nil
}

// among parses ('a','b').
func (p *parser) among() (matcher, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var values []string
	for {
		value := p.next()
		if !value.quoted {
			return nil, p.unexpected(value)
		}
		values = append(values, value.text)
		if !p.accept(",") {
			break
		}
	}
	return func(value string, ok bool) bool {
		return ok && slices.ContainsFunc(values, func(want string) bool { return strings.EqualFold(want, value) })
	}, p.expect(")")
}

func (p *parser) boolean(name string) (filter, error) {
	negate := p.accept("ne")
	if !negate && !p.accept("eq") {
		if len(p.tokens) == 0 {
			return nil, p.unexpected(p.next())
		}
		return nil, p.unsupported(name)
	}
	want := p.accept("true")
	if !want && !p.accept("false") {
		return nil, p.unexpected(p.next())
	}
	return func(o object) bool { return (o.flag(name) == want) != negate }, nil
}

// any parses any(x:x eq 'value') after the property and its slash.
func (p *parser) any(name string) (filter, error) {
	if !p.accept("any") || p.of.filters[name] != texts {
		return nil, p.unsupported(name)
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	variable := p.next()
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	match, err := p.element(name, variable)
	if err != nil {
		return nil, err
	}
	return func(o object) bool {
		return slices.ContainsFunc(o.texts(name), func(value string) bool { return match(value, true) })
	}, p.expect(")")
}

// element parses what any() asks of each element, named by the variable.
func (p *parser) element(name string, variable token) (matcher, error) {
	first := p.next()
	if build := functions[strings.ToLower(first.text)]; build != nil && !first.quoted {
		argument, match, err := p.call(build)
		if err == nil && argument != variable.text {
			err = p.unsupported(name)
		}
		return match, err
	}
	if first.quoted || first.text != variable.text || variable.quoted || variable.text == "" {
		return nil, p.unexpected(first)
	}
	return p.textual(name)
}
