package graph

import (
	"fmt"
	"strings"
)

// token is a word, a sign or, quoted, a string.
type token struct {
	text   string
	quoted bool
	at     int
}

func lex(input string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(input); {
		switch c := input[i]; {
		case c == ' ' || c == '\t':
			i++
		case strings.IndexByte("(),:/", c) >= 0:
			tokens = append(tokens, token{text: string(c), at: i})
			i++
		case c == '\'':
			value, length, ok := lexString(input[i:])
			if !ok {
				return nil, badFilter.New(fmt.Sprintf("There is an unterminated string literal at position %d", i))
			}
			tokens = append(tokens, token{text: value, quoted: true, at: i})
			i += length
		default:
			length := strings.IndexAny(input[i:]+" ", " \t(),:/'")
			tokens = append(tokens, token{text: input[i : i+length], at: i})
			i += length
		}
	}
	return tokens, nil
}

// lexString reads a string in single quotes, in which two of them are one.
func lexString(input string) (value string, length int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(input); i++ {
		if input[i] != '\'' {
			b.WriteByte(input[i])
			continue
		}
		if i+1 == len(input) || input[i+1] != '\'' {
			return b.String(), i + 1, true
		}
		b.WriteByte('\'')
		i++
	}
	return "", 0, false
}
