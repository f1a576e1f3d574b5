package access

import "strings"

// truth is what a part of a condition says of a request. The order makes AND
// the lesser and OR the greater of two.
type truth int

const (
	no      truth = iota
	unknown       // it asks for what the request does not have
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// question is the request that a condition is held against.
type question struct {
	action     string
	attributes Attributes
}

// values returns the values of an attribute; it is not ok without any.
func (q *question) values(source, name string) ([]string, bool) {
	if source == "Request" && strings.EqualFold(name, "subOperation") { // the spelling before SubOperationMatches
		return []string{q.attributes.SubOperation}, q.attributes.SubOperation != ""
	}
	if q.attributes.Value == nil {
		return nil, false
	}
	values, ok := q.attributes.Value(source, name)
	return values, ok && len(values) > 0
}

// expression is a part of a condition.
type expression interface {
	judge(q *question) truth
	// blame adds to the trace the comparisons that keep this part from being what is wanted.
	blame(t *trace, want truth)
}

// trace collects an explanation.
type trace struct {
	*question
	text  string
	found []string
}

type allOf []expression

func (e allOf) judge(q *question) truth {
	worst := yes
	for _, part := range e {
		if worst = min(worst, part.judge(q)); worst == no {
			break
		}
	}
	return worst
}

func (e allOf) blame(t *trace, want truth) { blameAll(e, t, want) }

type anyOf []expression

func (e anyOf) judge(q *question) truth {
	best := no
	for _, part := range e {
		if best = max(best, part.judge(q)); best == yes {
			break
		}
	}
	return best
}

func (e anyOf) blame(t *trace, want truth) { blameAll(e, t, want) }

// blameAll names every part that is not as wanted.
func blameAll(parts []expression, t *trace, want truth) {
	for _, part := range parts {
		if part.judge(t.question) != want {
			part.blame(t, want)
		}
	}
}

type not struct{ expression }

func (e not) judge(q *question) truth { return yes - e.expression.judge(q) }

func (e not) blame(t *trace, want truth) { e.expression.blame(t, yes-want) }

// actionMatches is ActionMatches{…}.
type actionMatches []string

func (e actionMatches) judge(q *question) truth { return truthOf(matchAny(e, q.action)) }

// blame says nothing: that the condition is about the action is known.
func (e actionMatches) blame(*trace, truth) {}

// subOperationMatches is SubOperationMatches{…}.
type subOperationMatches []string

func (e subOperationMatches) judge(q *question) truth {
	return truthOf(q.attributes.SubOperation != "" && matchAny(e, q.attributes.SubOperation))
}

func (e subOperationMatches) blame(*trace, truth) {}

// exists is Exists attribute, and the attribute of a comparison.
type exists struct{ source, name string }

func (e exists) judge(q *question) truth {
	_, ok := q.values(e.source, e.name)
	return truthOf(ok)
}

func (e exists) blame(t *trace, want truth) {
	if want == yes {
		t.found = append(t.found, e.String()+" is not there")
		return
	}
	t.found = append(t.found, e.String()+" is there")
}

func (e exists) String() string { return "@" + e.source + "[" + clipText(e.name) + "]" }

// comparison is operand operator operand.
type comparison struct {
	left, right operand
	relation    relation
	quantifier  quantifier
	start, end  int // in the text of the condition
}

// operand is an attribute or literals.
type operand struct {
	exists
	literals []literal
	fixed    []value // the literals in the operator's type
}

func (o *operand) isAttribute() bool { return o.source != "" }

// values reads the operand as the relation's type. It is not ok when the
// request does not have the attribute or when a value of it is of another type.
func (o *operand) values(q *question, r *relation) ([]value, bool) {
	if !o.isAttribute() {
		return o.fixed, true
	}
	texts, ok := q.values(o.source, o.name)
	if !ok {
		return nil, false
	}
	values := make([]value, len(texts))
	for i, text := range texts {
		if values[i], ok = r.kind.read(text); !ok {
			return nil, false
		}
	}
	return values, true
}

func (c *comparison) judge(q *question) truth {
	left, ok := c.left.values(q, &c.relation)
	if !ok {
		return unknown
	}
	right, ok := c.right.values(q, &c.relation)
	if !ok {
		return unknown
	}
	if c.quantifier == (quantifier{}) && (len(left) != 1 || len(right) != 1) {
		return unknown // one value is compared with one
	}
	return truthOf(c.quantifier.over(left, right, &c.relation))
}

func (c *comparison) blame(t *trace, want truth) {
	text := clipText(t.text[c.start:c.end])
	var saw []string
	for _, o := range []*operand{&c.left, &c.right} {
		if o.isAttribute() {
			saw = append(saw, o.saw(t.question))
		}
	}
	verb := " does not hold"
	if want == no {
		verb = " holds or cannot be told"
	}
	if len(saw) > 0 {
		verb += ": " + strings.Join(saw, ", ")
	}
	t.found = append(t.found, text+verb)
}

// saw says what the request has for an attribute.
func (o *operand) saw(q *question) string {
	values, ok := q.values(o.source, o.name)
	if !ok {
		return "the request has no " + o.String()
	}
	quoted := make([]string, 0, len(values))
	for _, v := range values {
		if len(quoted) == maxWhy {
			quoted = append(quoted, "…")
			break
		}
		quoted = append(quoted, "'"+clipText(v)+"'")
	}
	return o.String() + " is " + strings.Join(quoted, ", ")
}
