package storage

import "strings"

// Limits of index tags
// (https://learn.microsoft.com/rest/api/storageservices/set-blob-tags#remarks).
const (
	maxTags     = 10
	maxTagKey   = 128 // characters
	maxTagValue = 256 // characters
)

// CheckTags refuses index tags that no blob can have.
func CheckTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return InvalidTags.New()
	}
	for key, value := range tags {
		if key == "" || len(key) > maxTagKey || len(value) > maxTagValue || strings.ContainsFunc(key+value, notOfTags) {
			return InvalidTags.New()
		}
	}
	return nil
}

func notOfTags(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(" +-./:=_", r)
}
