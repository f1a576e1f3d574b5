package storage

import (
	"fmt"
	"strings"
	"time"
)

// Conditions are the preconditions of a request
// (https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations).
// The zero value holds always.
type Conditions struct {
	IfMatch           string // an ETag as [ETag] writes it, or "*"
	IfNoneMatch       string
	IfModifiedSince   time.Time
	IfUnmodifiedSince time.Time
	LeaseID           string // of the lease that the caller holds, in lower case; "" for none
}

// ETag is how the version of a stored record is shown. It changes with every write.
func ETag(version int64) string { return fmt.Sprintf(`"0x8D%013X"`, version) }

// state is what conditions are compared with.
type state struct {
	exists   bool
	version  int64
	modified time.Time
	lease    Lease
	now      time.Time
	of       leased
}

// forRead decides for an object that exists: NotModified when the caller's copy is current.
func (c Conditions) forRead(s state) error {
	if err := s.lease.use(c.LeaseID, false, s.now, s.of); err != nil {
		return err
	}
	if !c.positive(s) {
		return ConditionNotMet.New()
	}
	if !c.negative(s) {
		return NotModified.New()
	}
	return nil
}

// forWrite decides for a write of an object, there or not, that a lease holds off.
func (c Conditions) forWrite(s state) error { return c.write(s, true) }

// forUpdate decides for a write that is open beside a lease, but not under
// another one.
func (c Conditions) forUpdate(s state) error { return c.write(s, false) }

func (c Conditions) write(s state, underLease bool) error {
	if err := s.lease.use(c.LeaseID, underLease, s.now, s.of); err != nil {
		return err
	}
	if s.exists && c.IfNoneMatch == "*" {
		return BlobAlreadyExists.New()
	}
	if !c.positive(s) || !c.negative(s) {
		return ConditionNotMet.New()
	}
	return nil
}

// positive decides what must hold: If-Match and If-Unmodified-Since.
func (c Conditions) positive(s state) bool {
	if c.IfMatch != "" && !matches(c.IfMatch, s) {
		return false
	}
	return c.IfUnmodifiedSince.IsZero() || !s.exists || !s.modified.Truncate(time.Second).After(c.IfUnmodifiedSince)
}

// negative decides what must not: If-None-Match and If-Modified-Since.
func (c Conditions) negative(s state) bool {
	if c.IfNoneMatch != "" && matches(c.IfNoneMatch, s) {
		return false
	}
	return c.IfModifiedSince.IsZero() || !s.exists || s.modified.Truncate(time.Second).After(c.IfModifiedSince)
}

// matches compares an ETag, with or without its quotes: lists give it without.
func matches(tag string, s state) bool {
	if !s.exists {
		return false
	}
	return tag == "*" || strings.Trim(tag, `"`) == strings.Trim(ETag(s.version), `"`)
}
