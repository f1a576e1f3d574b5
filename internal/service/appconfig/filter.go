package appconfig

import "strings"

// maxAlternatives is how many values a comma list of a filter may have.
const maxAlternatives = 5

// filter is a parsed key or label filter: any of its alternatives.
type filter struct {
	any          bool // "*", or no filter at all
	alternatives []alternative
}

// alternative is a literal, or a prefix when it ended in an unescaped asterisk.
type alternative struct {
	text   string
	prefix bool
}

// parseFilter reads "*", "abc*", "a,b" and the escapes \*, \, and \\. The text
// "\0" (a NUL, as %00 decodes to) stands for the null label. name is for the message.
func parseFilter(name, text string) (filter, error) {
	if text == "" || text == "*" {
		return filter{any: true}, nil
	}
	var parsed filter
	var current strings.Builder
	wild := false
	end := func() {
		literal := current.String()
		if literal == nullLabel && !wild {
			literal = ""
		}
		parsed.alternatives = append(parsed.alternatives, alternative{text: literal, prefix: wild})
		current.Reset()
		wild = false
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case wild && c != ',':
			return filter{}, invalid(name, "An asterisk may only be the last character of a value; write \\* for the character itself.")
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] == '0' {
				current.WriteByte(0)
				continue
			}
			current.WriteByte(text[i])
		case c == '\\':
			return filter{}, invalid(name, "The filter ends in an escape character.")
		case c == '*':
			wild = true
		case c == ',':
			end()
		default:
			current.WriteByte(c)
		}
	}
	end()
	if len(parsed.alternatives) > maxAlternatives {
		return filter{}, invalid(name, "The filter lists %d values; the limit is %d.", len(parsed.alternatives), maxAlternatives)
	}
	return parsed, nil
}

func (f filter) match(value string) bool {
	if f.any {
		return true
	}
	for _, a := range f.alternatives {
		if value == a.text || (a.prefix && strings.HasPrefix(value, a.text)) {
			return true
		}
	}
	return false
}

// common is the text that every match begins with, to read less; exact says
// that matches equal it.
func (f filter) common() (text string, exact bool) {
	if f.any || len(f.alternatives) != 1 {
		return "", false
	}
	return f.alternatives[0].text, !f.alternatives[0].prefix
}

// tag is one tag that a setting must have.
type tag struct{ name, value string }

// parseTags reads filters of the form name=value, in which a backslash escapes
// the next character.
func parseTags(texts []string) ([]tag, error) {
	if len(texts) > maxAlternatives {
		return nil, invalid("tags", "The filter lists %d tags; the limit is %d.", len(texts), maxAlternatives)
	}
	var tags []tag
	for _, text := range texts {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, invalid("tags", "The tag filter %.64q is not of the form name=value.", text)
		}
		tags = append(tags, tag{name: unescape(name), value: unescape(value)})
	}
	return tags, nil
}

func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
