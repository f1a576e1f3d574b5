package arm

import (
	"fmt"
	"slices"
	"strings"
)

// Grammar is what a list's $filter may speak of.
type Grammar struct {
	Properties []string       // names, compared without case: "resourceType"
	Functions  map[string]int // by name in lower case, how many arguments each takes: "atscope": 0
}

// Subject is one element that a filter is held against. Names come in lower case.
type Subject interface {
	// Property returns the value of a property of the grammar.
	Property(name string) string
	// Call decides a function of the grammar. An argument that names a property
	// of the grammar comes as that property's value.
	Call(name string, args []string) bool
}

// Filter is a parsed $filter. The nil Filter matches everything.
type Filter func(s Subject) bool

// Matches reports whether the element is in the list.
func (f Filter) Matches(s Subject) bool { return f == nil || f(s) }

const (
	maxFilter = 4096 // bytes
	maxNested = 32   // parentheses within each other
)

// ParseFilter parses the part of OData's filters that Resource Manager's lists
// take: eq, ne, and, or, not, parentheses and functions. Strings compare
// without case. The error is 400 InvalidFilterInQueryString.
func ParseFilter(text string, g Grammar) (Filter, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if len(text) > maxFilter {
		return nil, badFilter.New(text, fmt.Sprintf("it is longer than %d bytes", maxFilter))
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, badFilter.New(text, err.Error())
	}
	p := &filterParser{tokens: tokens, grammar: g}
	filter, err := p.either()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("'%s' is not expected after a complete expression", p.tokens[0].text)
	}
	if err != nil {
		return nil, badFilter.New(text, err.Error())
	}
	return filter, nil
}

type token struct {
	text   string
	quoted bool
}

func lex(text string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t':
			i++
		case c == '(' || c == ')' || c == ',':
			tokens = append(tokens, token{text: string(c)})
			i++
		case c == '\'':
			value, n, err := lexString(text[i:])
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, token{text: value, quoted: true})
			i += n
		default:
			end := i + strings.IndexAny(text[i:]+" ", " \t(),'")
			tokens = append(tokens, token{text: text[i:end]})
			i = end
		}
	}
	return tokens, nil
}

// lexString reads a string in single quotes, in which two of them are one.
func lexString(text string) (value string, length int, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), i + 1, nil
	}
	return "", 0, fmt.Errorf("a string is not closed")
}

type filterParser struct {
	tokens  []token
	grammar Grammar
	depth   int
}

func (p *filterParser) next() token {
	if len(p.tokens) == 0 {
		return token{}
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

// word takes the next token when it is the given word.
func (p *filterParser) word(word string) bool {
	if len(p.tokens) == 0 || p.tokens[0].quoted || !strings.EqualFold(p.tokens[0].text, word) {
		return false
	}
	p.next()
	return true
}

func (p *filterParser) either() (Filter, error) {
	left, err := p.both()
	for err == nil && p.word("or") {
		a := left
		var b Filter
		b, err = p.both()
		left = func(s Subject) bool { return a(s) || b(s) }
	}
	return left, err
}

func (p *filterParser) both() (Filter, error) {
	left, err := p.one()
	for err == nil && p.word("and") {
		a := left
		var b Filter
		b, err = p.one()
		left = func(s Subject) bool { return a(s) && b(s) }
	}
	return left, err
}

func (p *filterParser) one() (Filter, error) {
	if p.depth++; p.depth > maxNested {
		return nil, fmt.Errorf("it is nested deeper than %d", maxNested)
	}
	defer func() { p.depth-- }()
	if p.word("not") {
		inner, err := p.one()
		return func(s Subject) bool { return !inner(s) }, err
	}
	if p.word("(") {
		inner, err := p.either()
		if err == nil && !p.word(")") {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		return inner, err
	}
	name := p.next()
	if name.quoted || name.text == "" {
		return nil, fmt.Errorf("a property or function is expected at '%s'", name.text)
	}
	if p.word("(") {
		return p.call(name.text)
	}
	return p.comparison(name.text)
}

// property returns the grammar's spelling of a property in lower case.
func (p *filterParser) property(name string) (string, bool) {
	return strings.ToLower(name), slices.ContainsFunc(p.grammar.Properties, func(known string) bool { return strings.EqualFold(known, name) })
}

func (p *filterParser) comparison(name string) (Filter, error) {
	property, known := p.property(name)
	if !known {
		return nil, fmt.Errorf("the property '%.60s' is not one of %s", name, strings.Join(p.grammar.Properties, ", "))
	}
	operator := strings.ToLower(p.next().text)
	if operator != "eq" && operator != "ne" {
		return nil, fmt.Errorf("the operator '%.20s' is not one of eq, ne", operator)
	}
	value := p.next()
	if !value.quoted && (value.text == "" || strings.ContainsAny(value.text, "(),")) {
		return nil, fmt.Errorf("a value is expected after '%s'", operator)
	}
	want := operator == "eq"
	return func(s Subject) bool { return strings.EqualFold(s.Property(property), value.text) == want }, nil
}

func (p *filterParser) call(name string) (Filter, error) {
	lower := strings.ToLower(name)
	count, known := p.grammar.Functions[lower]
	if !known {
		return nil, fmt.Errorf("the function '%.60s' is not served", name)
	}
	var args []func(Subject) string
	for !p.word(")") {
		if len(args) > 0 && !p.word(",") {
			return nil, fmt.Errorf("a comma or a closing parenthesis is expected in %s()", lower)
		}
		arg := p.next()
		if arg.text == "" && !arg.quoted || len(args) > 8 {
			return nil, fmt.Errorf("%s() is not closed", lower)
		}
		property, isProperty := p.property(arg.text)
		args = append(args, func(s Subject) string {
			if isProperty && !arg.quoted {
				return s.Property(property)
			}
			return arg.text
		})
	}
	if len(args) != count {
		return nil, fmt.Errorf("%s() takes %d arguments, not %d", lower, count, len(args))
	}
	return func(s Subject) bool {
		values := make([]string, len(args))
		for i, arg := range args {
			values[i] = arg(s)
		}
		return s.Call(lower, values)
	}, nil
}
