package blob

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

// Limits of leases, in seconds
// (https://learn.microsoft.com/rest/api/storageservices/lease-blob#request-headers).
const (
	minLease = 15
	maxLease = 60
	maxBreak = 60
)

// leaseBlob: https://learn.microsoft.com/rest/api/storageservices/lease-blob
func (b *Blobs) leaseBlob(w http.ResponseWriter, r *azapi.Request) error {
	on, asked, err := b.askedLease(r)
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	blob, err := b.blobs.LeaseBlob(r.Context(), c, r.Param("blob"), on, asked.change)
	if err != nil {
		return err
	}
	writeStamp(w.Header(), blob.Version, blob.Modified)
	asked.answer(w, blob.Lease, r.Now)
	return nil
}

// leaseContainer: https://learn.microsoft.com/rest/api/storageservices/lease-container
func (b *Blobs) leaseContainer(w http.ResponseWriter, r *azapi.Request) error {
	on, asked, err := b.askedLease(r)
	if err != nil {
		return err
	}
	name := r.Param("container")
	if err := storage.CheckContainerName(name); err != nil {
		return err
	}
	c, err := b.blobs.LeaseContainer(r.Context(), storageapi.Of(r).Account, name, on, asked.change)
	if err != nil {
		return err
	}
	writeStamp(w.Header(), c.Version, c.Modified)
	asked.answer(w, c.Lease, r.Now)
	return nil
}

// askedLease reads the conditions of a lease operation and what it asks for.
// x-ms-lease-id is the operation's own here, no condition.
func (b *Blobs) askedLease(r *azapi.Request) (storage.Conditions, leaseRequest, error) {
	on, err := conditionsOf(r.Header)
	if err != nil {
		return on, leaseRequest{}, err
	}
	asked, err := leaseRequestOf(r.Header, on.LeaseID, b.newID)
	on.LeaseID = ""
	return on, asked, err
}

// leaseRequest is one operation on a lease, with how it is answered.
type leaseRequest struct {
	change storage.LeaseChange
	status int
	action string
}

// leaseRequestOf reads x-ms-lease-action and the headers that belong to it.
func leaseRequestOf(h http.Header, held string, newID func() string) (leaseRequest, error) {
	asked := leaseRequest{action: strings.ToLower(h.Get("x-ms-lease-action")), status: http.StatusOK}
	if held == "" && (asked.action == "renew" || asked.action == "change" || asked.action == "release") {
		return asked, storageapi.MissingHeader("x-ms-lease-id")
	}
	proposed, err := leaseOf(h, "x-ms-proposed-lease-id")
	if err != nil {
		return asked, err
	}
	switch asked.action {
	case "acquire":
		duration, err := leaseDuration(h)
		if err != nil {
			return asked, err
		}
		if proposed == "" {
			proposed = newID()
		}
		asked.status, asked.change = http.StatusCreated, storage.AcquireLease(proposed, duration)
	case "renew":
		asked.change = storage.RenewLease(held)
	case "change":
		if proposed == "" {
			return asked, storageapi.MissingHeader("x-ms-proposed-lease-id")
		}
		asked.change = storage.ChangeLease(held, proposed)
	case "release":
		asked.change = storage.ReleaseLease(held)
	case "break":
		period, err := breakPeriod(h)
		if err != nil {
			return asked, err
		}
		asked.status, asked.change = http.StatusAccepted, storage.BreakLease(period)
	case "":
		return asked, storageapi.MissingHeader("x-ms-lease-action")
	default:
		return asked, storageapi.BadHeader("x-ms-lease-action", h.Get("x-ms-lease-action"))
	}
	return asked, nil
}

func (a leaseRequest) answer(w http.ResponseWriter, lease storage.Lease, now time.Time) {
	switch a.action {
	case "release":
	case "break":
		// A part of a second counts as one: who waits that long finds it broken.
		left := (lease.Remaining(now) + time.Second - 1) / time.Second
		w.Header().Set("x-ms-lease-time", strconv.Itoa(int(left)))
	default:
		w.Header().Set("x-ms-lease-id", lease.ID)
	}
	w.WriteHeader(a.status)
}

// leaseDuration reads x-ms-lease-duration: 15 to 60 seconds, or -1.
func leaseDuration(h http.Header) (time.Duration, error) {
	text := h.Get("x-ms-lease-duration")
	if text == "" {
		return 0, storageapi.MissingHeader("x-ms-lease-duration")
	}
	seconds, err := strconv.Atoi(text)
	switch {
	case err == nil && seconds == -1:
		return storage.Infinite, nil
	case err != nil || seconds < minLease || seconds > maxLease:
		return 0, storageapi.BadHeader("x-ms-lease-duration", text)
	}
	return time.Duration(seconds) * time.Second, nil
}

// breakPeriod reads x-ms-lease-break-period: 0 to 60 seconds, below 0 without one.
func breakPeriod(h http.Header) (time.Duration, error) {
	text := h.Get("x-ms-lease-break-period")
	if text == "" {
		return -1, nil
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 || seconds > maxBreak {
		return 0, storageapi.BadHeader("x-ms-lease-break-period", text)
	}
	return time.Duration(seconds) * time.Second, nil
}

// leaseOf reads the id of a lease, a GUID in a form of .NET's Guid constructor:
// digits alone, or with hyphens, or those in braces or parentheses. It returns it
// in lower case with hyphens, "" when the header is not there.
func leaseOf(h http.Header, name string) (string, error) {
	text := h.Get(name)
	if text == "" {
		return "", nil
	}
	digits := strings.ToLower(text)
	if len(digits) == 38 && (digits[0] == '{' && digits[37] == '}' || digits[0] == '(' && digits[37] == ')') {
		digits = digits[1:37]
	}
	if len(digits) == 36 && digits[8] == '-' && digits[13] == '-' && digits[18] == '-' && digits[23] == '-' {
		digits = digits[:8] + digits[9:13] + digits[14:18] + digits[19:23] + digits[24:]
	}
	if _, err := hex.DecodeString(digits); err != nil || len(digits) != 32 {
		return "", storageapi.BadHeader(name, text)
	}
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-"), nil
}

// leaseShown is how a lease is shown. Its id is its holder's.
func leaseShown(l storage.Lease, now time.Time) leaseProperties {
	state := l.State(now)
	shown := leaseProperties{LeaseStatus: "unlocked", LeaseState: string(state)}
	if state.Locked() {
		shown.LeaseStatus = "locked"
	}
	if state == storage.LeaseLeased {
		shown.LeaseDuration = "fixed"
		if l.Duration == storage.Infinite {
			shown.LeaseDuration = "infinite"
		}
	}
	return shown
}

func writeLease(h http.Header, l storage.Lease, now time.Time) {
	shown := leaseShown(l, now)
	h.Set("x-ms-lease-status", shown.LeaseStatus)
	h.Set("x-ms-lease-state", shown.LeaseState)
	if shown.LeaseDuration != "" {
		h.Set("x-ms-lease-duration", shown.LeaseDuration)
	}
}
