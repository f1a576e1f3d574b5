package arm

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of tags
// (https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations).
const (
	maxTags     = 50
	maxTagName  = 512
	maxTagValue = 256
	maxName     = 260
)

// CheckName refuses what no resource name may hold, whatever its type.
func CheckName(name string) error {
	switch {
	case name == "" || strings.TrimSpace(name) == "":
		return badName.New(name, "it is empty")
	case len(name) > maxName:
		return badName.New(name[:40]+"…", fmt.Sprintf("it is longer than %d characters", maxName))
	case !utf8.ValidString(name):
		return badName.New(strings.ToValidUTF8(name, "\uFFFD"), "it is not valid UTF-8")
	case strings.ContainsAny(name, "<>%&:\\?/#") || strings.IndexFunc(name, unicode.IsControl) >= 0:
		return badName.New(name, "it must not contain control characters or any of <>%&:\\?/#")
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return badName.New(name, "it must not end with a period or a space")
	}
	return nil
}

// CheckTags refuses tags beyond Azure's limits.
func CheckTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return tooManyTags.New(len(tags))
	}
	var bad []string
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		lower := strings.ToLower(name)
		switch other, twice := seen[lower]; {
		case name == "":
			return badTag.New(name, "its name is empty")
		case utf8.RuneCountInString(name) > maxTagName:
			return badTag.New(name[:40]+"…", fmt.Sprintf("its name is longer than %d characters", maxTagName))
		case utf8.RuneCountInString(tags[name]) > maxTagValue:
			return badTag.New(name, fmt.Sprintf("its value is longer than %d characters", maxTagValue))
		case twice:
			return badTag.New(name, fmt.Sprintf("tag names compare without case, and '%s' is there too", other))
		}
		seen[lower] = name
		hidden := strings.HasPrefix(lower, "hidden-") // Azure's own tags hold resource ids in their names
		if !hidden && (strings.ContainsAny(name, `<>%&\?/`) || strings.IndexFunc(name, unicode.IsControl) >= 0) {
			bad = append(bad, name)
		}
	}
	if bad != nil {
		return badTagName.New(strings.Join(bad, ","))
	}
	return nil
}
