package access

import (
	"fmt"
	"strings"
)

// lexeme is the kind of a token of a condition.
type lexeme int

const (
	lexMark      lexeme = iota // ( ) { } , ! && ||
	lexWord                    // AND, StringEquals, ForAnyOfAnyValues:GuidEquals, 5, true, a GUID
	lexString                  // 'text', value without the quotes
	lexAttribute               // @Resource[name]
)

type conditionToken struct {
	kind       lexeme
	value      string // of an attribute its name
	source     string // of an attribute
	start, end int    // in the text
}

// lexCondition cuts a condition into tokens.
func lexCondition(text string) ([]conditionToken, error) {
	var tokens []conditionToken
	for i := 0; i < len(text); {
		if isBlank(text[i]) {
			i++
			continue
		}
		t, err := nextToken(text, i)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		i = t.end
	}
	return tokens, nil
}

func nextToken(text string, i int) (conditionToken, error) {
	switch c := text[i]; {
	case strings.IndexByte("(){},!", c) >= 0:
		return conditionToken{kind: lexMark, value: text[i : i+1], start: i, end: i + 1}, nil
	case strings.HasPrefix(text[i:], "&&") || strings.HasPrefix(text[i:], "||"):
		return conditionToken{kind: lexMark, value: text[i : i+2], start: i, end: i + 2}, nil
	case c == '\'':
		return quotedToken(text, i)
	case c == '@':
		return attributeToken(text, i)
	case isWordByte(c):
		end := i
		for end < len(text) && isWordByte(text[end]) {
			end++
		}
		return conditionToken{kind: lexWord, value: text[i:end], start: i, end: end}, nil
	default:
		return conditionToken{}, fmt.Errorf("at byte %d: %q is not expected", i, text[i])
	}
}

// quotedToken reads 'text'. \' stands for a quote; any other backslash stays
// with what follows it, as \* and \? mean something to the Like operators.
func quotedToken(text string, start int) (conditionToken, error) {
	var value strings.Builder
	for i := start + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			return conditionToken{kind: lexString, value: value.String(), start: start, end: i + 1}, nil
		case c == '\\' && i+1 < len(text) && text[i+1] == '\'':
			value.WriteByte('\'')
			i++
		case c == '\\' && i+1 < len(text) && text[i+1] == '\\':
			value.WriteString(`\\`)
			i++
		default:
			value.WriteByte(c)
		}
	}
	return conditionToken{}, fmt.Errorf("at byte %d: the string has no end", start)
}

// attributeSources are where an attribute can be from, as they are spelled.
func attributeSource(name string) (string, bool) {
	for _, source := range [...]string{"Resource", "Request", "Principal", "Environment"} {
		if strings.EqualFold(source, name) {
			return source, true
		}
	}
	return "", false
}

// attributeToken reads @Source[name].
func attributeToken(text string, start int) (conditionToken, error) {
	open := strings.IndexByte(text[start:], '[')
	if open < 0 {
		return conditionToken{}, fmt.Errorf("at byte %d: an attribute is written @Source[name]", start)
	}
	source, ok := attributeSource(text[start+1 : start+open])
	if !ok {
		return conditionToken{}, fmt.Errorf("at byte %d: an attribute is of Resource, Request, Principal or Environment", start)
	}
	length := strings.IndexByte(text[start+open:], ']')
	if length < 0 {
		return conditionToken{}, fmt.Errorf("at byte %d: the attribute's name has no end", start)
	}
	name := strings.TrimSpace(text[start+open+1 : start+open+length])
	if name == "" || strings.ContainsAny(name, "[@'\n") {
		return conditionToken{}, fmt.Errorf("at byte %d: %q is no attribute's name", start, name)
	}
	return conditionToken{kind: lexAttribute, value: name, source: source, start: start, end: start + open + length + 1}, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// isWordByte takes what names, numbers, dates and GUIDs are made of.
func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_:.+", c) >= 0
}
