package access

import (
	"fmt"
	"slices"
	"strings"
)

// conditionParser reads
//
//	any     = every { OR every }         without AND beside OR
//	every   = single { AND single }
//	single  = NOT single | "(" any ")" | test
//	test    = ActionMatches{'…'} | SubOperationMatches{'…'} | Exists attribute | NotExists attribute | operand operator operand
//	operand = attribute | literal | "{" literal { "," literal } "}"
//
// Words compare without case. AND and OR next to each other need parentheses,
// as the documentation asks for
// (https://learn.microsoft.com/azure/role-based-access-control/conditions-format#grouping-and-precedence).
type conditionParser struct {
	text   string
	tokens []conditionToken
	depth  int
}

func (p *conditionParser) whole() (expression, error) {
	e, err := p.any()
	if err == nil && len(p.tokens) > 0 {
		err = p.unexpected("the end")
	}
	return e, err
}

// unexpected says what was wanted instead of the next token.
func (p *conditionParser) unexpected(want string) error {
	if len(p.tokens) == 0 {
		return fmt.Errorf("at the end: %s is missing", want)
	}
	t := p.tokens[0]
	return fmt.Errorf("at byte %d: got %q, want %s", t.start, clipText(p.text[t.start:t.end]), want)
}

// accept takes the next token if it is one of the marks or words.
func (p *conditionParser) accept(values ...string) bool {
	if len(p.tokens) == 0 || p.tokens[0].kind > lexWord {
		return false
	}
	if !slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, p.tokens[0].value) }) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *conditionParser) any() (expression, error) {
	first, err := p.single()
	if err != nil {
		return nil, err
	}
	parts := []expression{first}
	and, or := false, false
	for {
		switch {
		case p.accept("AND", "&&"):
			and = true
		case p.accept("OR", "||"):
			or = true
		case len(parts) == 1:
			return first, nil
		case or:
			return anyOf(parts), nil
		default:
			return allOf(parts), nil
		}
		if and && or {
			return nil, fmt.Errorf("AND and OR beside each other need parentheses, before %s", p.place())
		}
		next, err := p.single()
		if err != nil {
			return nil, err
		}
		parts = append(parts, next)
	}
}

func (p *conditionParser) place() string {
	if len(p.tokens) == 0 {
		return "the end"
	}
	return fmt.Sprintf("byte %d", p.tokens[0].start)
}

func (p *conditionParser) single() (expression, error) {
	if p.depth++; p.depth > maxConditionNest {
		return nil, fmt.Errorf("more than %d levels of parentheses and negations", maxConditionNest)
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("!", "NOT"):
		e, err := p.single()
		return not{e}, err
	case p.accept("("):
		e, err := p.any()
		if err == nil && !p.accept(")") {
			err = p.unexpected("')'")
		}
		return e, err
	default:
		return p.test()
	}
}

func (p *conditionParser) test() (expression, error) {
	switch {
	case p.accept("ActionMatches"):
		patterns, err := p.patterns()
		return actionMatches(patterns), err
	case p.accept("SubOperationMatches"):
		patterns, err := p.patterns()
		return subOperationMatches(patterns), err
	case p.accept("Exists"):
		e, err := p.attribute()
		return e, err
	case p.accept("NotExists"):
		e, err := p.attribute()
		return not{e}, err
	default:
		return p.comparison()
	}
}

// patterns reads {'…', …}.
func (p *conditionParser) patterns() ([]string, error) {
	var patterns []string
	if !p.accept("{") {
		return nil, p.unexpected("'{'")
	}
	for {
		if len(p.tokens) == 0 || p.tokens[0].kind != lexString || p.tokens[0].value == "" {
			return nil, p.unexpected("a quoted action or suboperation")
		}
		patterns = append(patterns, p.tokens[0].value)
		p.tokens = p.tokens[1:]
		if p.accept("}") {
			return patterns, nil
		}
		if !p.accept(",") {
			return nil, p.unexpected("',' or '}'")
		}
	}
}

func (p *conditionParser) attribute() (exists, error) {
	if len(p.tokens) == 0 || p.tokens[0].kind != lexAttribute {
		return exists{}, p.unexpected("an attribute")
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return exists{source: t.source, name: t.value}, nil
}

func (p *conditionParser) comparison() (expression, error) {
	c := &comparison{}
	if len(p.tokens) > 0 {
		c.start = p.tokens[0].start
	}
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	if len(p.tokens) == 0 || p.tokens[0].kind != lexWord {
		return nil, p.unexpected("an operator")
	}
	operator := p.tokens[0]
	p.tokens = p.tokens[1:]
	if c.relation, c.quantifier, err = parseOperator(operator.value); err != nil {
		return nil, fmt.Errorf("at byte %d: %w", operator.start, err)
	}
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	c.left, c.right, c.end = left, right, p.lastEnd()
	return c, c.check()
}

// lastEnd is where the token before the next one ends.
func (p *conditionParser) lastEnd() int {
	end := len(p.text)
	if len(p.tokens) > 0 {
		end = p.tokens[0].start
	}
	return len(strings.TrimRight(p.text[:end], " \t\r\n"))
}

// operand reads an attribute, a literal or a set of literals.
func (p *conditionParser) operand() (operand, error) {
	if len(p.tokens) > 0 && p.tokens[0].kind == lexAttribute {
		e, err := p.attribute()
		return operand{exists: e}, err
	}
	if !p.accept("{") {
		l, err := p.literal()
		return operand{literals: []literal{l}}, err
	}
	var o operand
	for {
		l, err := p.literal()
		if err != nil {
			return o, err
		}
		o.literals = append(o.literals, l)
		if p.accept("}") {
			return o, nil
		}
		if !p.accept(",") {
			return o, p.unexpected("',' or '}'")
		}
	}
}

func (p *conditionParser) literal() (literal, error) {
	if len(p.tokens) == 0 || p.tokens[0].kind != lexString && p.tokens[0].kind != lexWord {
		return literal{}, p.unexpected("an attribute or a value")
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return literal{text: t.value, quoted: t.kind == lexString}, nil
}
