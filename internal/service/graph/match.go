package graph

import (
	"encoding/json"
	"strings"
)

// matcher decides about a value, which is absent when it is not ok.
type matcher func(value string, ok bool) bool

func equal(want string) matcher {
	return func(value string, ok bool) bool { return ok && strings.EqualFold(value, want) }
}

// functions of a property and a string.
var functions = map[string]func(want string) matcher{
	"startswith": func(want string) matcher {
		return func(value string, ok bool) bool {
			return ok && len(value) >= len(want) && strings.EqualFold(value[:len(want)], want)
		}
	},
	"endswith": func(want string) matcher {
		return func(value string, ok bool) bool {
			return ok && len(value) >= len(want) && strings.EqualFold(value[len(value)-len(want):], want)
		}
	},
}

// text returns a string property; it is not ok when there is none.
func (o object) text(name string) (string, bool) {
	switch value := o[name].(type) {
	case string:
		return value, true
	case json.RawMessage:
		var s *string
		if json.Unmarshal(value, &s) == nil && s != nil {
			return *s, true
		}
	}
	return "", false
}

func (o object) flag(name string) bool {
	value, _ := o[name].(bool)
	return value
}

func (o object) texts(name string) []string {
	switch value := o[name].(type) {
	case []string:
		return value
	case json.RawMessage:
		var list []string
		if json.Unmarshal(value, &list) == nil {
			return list
		}
	}
	return nil
}
