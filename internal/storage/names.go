package storage

import (
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of names and metadata
// (https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata).
const (
	minName     = 3
	maxName     = 63
	maxBlobName = 1024    // UTF-16 units
	maxMetadata = 8 << 10 // bytes, names and values
)

var (
	resourceName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	metadataName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// CheckContainerName refuses a name that no container can have.
func CheckContainerName(name string) error {
	switch name {
	case "$root", "$web", "$logs":
		return nil
	}
	return CheckQueueName(name)
}

// CheckQueueName refuses a name that no queue can have.
func CheckQueueName(name string) error {
	if len(name) < minName || len(name) > maxName {
		return OutOfRangeInput.New()
	}
	if !resourceName.MatchString(name) {
		return InvalidResourceName.New()
	}
	return nil
}

// CheckBlobName refuses a name that no blob can have. The zero byte and
// invalid UTF-8 are refused because keys of records end names with them.
func CheckBlobName(name string) error {
	if name == "" || len(utf16.Encode([]rune(name))) > maxBlobName {
		return OutOfRangeInput.New()
	}
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return InvalidResourceName.New()
	}
	return nil
}

// CheckMetadata refuses metadata that cannot be sent back as headers.
func CheckMetadata(metadata map[string]string) error {
	size := 0
	for name, value := range metadata {
		size += len(name) + len(value)
		switch {
		case name == "":
			return EmptyMetadataKey.New()
		case !metadataName.MatchString(name) || !printable(value):
			return InvalidMetadata.New()
		}
	}
	if size > maxMetadata {
		return MetadataTooLarge.New()
	}
	return nil
}

// printable reports whether a value can be a header's: visible ASCII, spaces and tabs.
func printable(value string) bool {
	return strings.IndexFunc(value, func(r rune) bool { return (r < ' ' && r != '\t') || r > '~' }) < 0
}
