package storageapi

import (
	"net/netip"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storage/signature"
)

// schemeSAS is the scheme of callers with a shared access signature.
const schemeSAS = "SharedAccessSignature"

// sharedAccess checks the shared access signature of a request that has one: an
// account's, a container's, blob's or queue's, or one that a user delegated.
// What the first two permit, they permit by themselves; the third permits no
// more than the roles of its user
// (https://learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature).
func (p *Plane) sharedAccess(r *azapi.Request) (azapi.Caller, bool, error) {
	if !strings.Contains(r.URL.RawQuery, "=") {
		return azapi.Caller{}, false, nil
	}
	parsed := signature.ParseSAS(r.URL.RawQuery)
	if parsed["sig"] == "" {
		return azapi.Caller{}, false, nil
	}
	call, ok := r.Target.Resource.(*Call)
	if !ok {
		return azapi.Caller{}, true, storage.AccountNotFound.New(r.ResourceName())
	}
	s := &shared{SAS: parsed, plane: p, call: call, r: r, Object: ObjectOf(r)}
	caller, err := s.verify()
	if err == nil {
		err = s.permit()
	}
	return caller, true, err
}

// shared is one shared access signature under verification.
type shared struct {
	signature.SAS
	Object
	plane *Plane
	call  *Call
	r     *azapi.Request
}

func (s *shared) ofAccount() bool   { return s.SAS["srt"] != "" || s.SAS["ss"] != "" }
func (s *shared) ofDelegated() bool { return s.SAS["skoid"] != "" }

// verify checks the signature and its conditions but for what it permits.
func (s *shared) verify() (azapi.Caller, error) {
	caller := azapi.Caller{Principal: access.Principal{TenantID: s.call.TenantID}, Scheme: schemeSAS}
	if !s.Supported() {
		return caller, failed("sv is missing, or not a version since 2015-04-05.")
	}
	for _, name := range []string{"ses", "saoid", "suoid", "sduoid", "skdutid", "srh", "srq", "sdd"} {
		if s.SAS[name] != "" {
			return caller, storage.NotServed.New("A shared access signature with " + name)
		}
	}
	var err error
	if s.ofDelegated() {
		caller.TenantID, caller.ObjectID = s.SAS["sktid"], s.SAS["skoid"]
		caller.Groups, err = s.verifyDelegated()
	} else {
		caller.Key, err = s.verifyKey()
	}
	if err == nil {
		err = s.applyPolicy()
	}
	if err == nil {
		err = s.inTime("st", "se")
	}
	if err == nil {
		err = s.fromHere()
	}
	return caller, err
}

// verifyKey returns the name of the account's key that signed.
func (s *shared) verifyKey() (string, error) {
	if !s.call.SharedKey {
		return "", storage.KeyBasedAuthenticationNotPermitted.New()
	}
	text, err := s.text()
	if err != nil {
		return "", err
	}
	key := s.call.SignedBy([]string{text}, s.SAS["sig"])
	if key == "" {
		return "", mismatch(text)
	}
	return key, nil
}

func mismatch(text string) error {
	return failed("Signature did not match. String to sign used was " + text[:min(len(text), maxShown)])
}

// text is what an account's or a service's SAS signs.
func (s *shared) text() (string, error) {
	if s.ofAccount() {
		return s.AccountText(s.call.Name), nil
	}
	resource, err := s.resource()
	if err != nil {
		return "", err
	}
	if s.plane.Name == "queue" {
		return s.QueueText(resource), nil
	}
	return s.BlobText(resource, s.signedSnapshot()), nil
}

// resource is what a service's SAS is for. It is taken from the path, so that a
// signature for another resource does not match.
func (s *shared) resource() (string, error) {
	name := "/" + s.plane.Name + "/" + s.call.Name + "/"
	switch {
	case s.plane.Name == "queue":
		return name + s.Queue, nil
	case s.plane.Name != "blob":
		return "", storage.NotServed.New("A shared access signature of the " + s.plane.Name + " service")
	case s.SAS["sr"] == "c":
		return name + s.Container, nil
	case s.SAS["sr"] == "b" && s.Snapshot == "", s.SAS["sr"] == "bs" && s.Snapshot != "":
		return name + s.Container + "/" + s.Blob, nil
	}
	return "", failed("sr is mandatory and must be c, b for a blob or bs for a snapshot: versions and directories are not served by aksess.")
}

// signedSnapshot is the snapshot that the signature is for, "" when it is for
// more than one.
func (s *shared) signedSnapshot() string {
	if s.SAS["sr"] == "bs" {
		return s.Snapshot
	}
	return ""
}

// verifyDelegated checks what is signed with a user delegation key, and returns
// the groups of who delegates. A key of somebody who is gone is none any more.
func (s *shared) verifyDelegated() ([]string, error) {
	if s.plane.Name != "blob" {
		return nil, failed("A user delegation SAS is for blobs.")
	}
	resource, err := s.resource()
	if err != nil {
		return nil, err
	}
	text := s.DelegatedText(resource, s.signedSnapshot())
	if !signature.Verify(s.call.DelegationKey(s.Delegation()), []string{text}, s.SAS["sig"]) {
		return nil, mismatch(text)
	}
	if !strings.EqualFold(s.SAS["sktid"], s.call.TenantID) || s.SAS["sks"] != "b" {
		return nil, failed("The user delegation key is not one of this account's.")
	}
	if err := s.inTime("skt", "ske"); err != nil {
		return nil, err
	}
	groups, found, err := s.r.Principal(s.r.Context(), s.SAS["skoid"])
	if err == nil && !found {
		err = failed("The user delegation key is that of a principal who is not in the directory.")
	}
	return groups, err
}

// applyPolicy completes a signature by the stored access policy that it names.
// What the policy says, the signature must leave open
// (https://learn.microsoft.com/rest/api/storageservices/define-stored-access-policy).
func (s *shared) applyPolicy() error {
	id := s.SAS["si"]
	if id == "" {
		return nil
	}
	if s.ofAccount() || s.ofDelegated() || s.plane.Policies == nil {
		return failed("A stored access policy is for a service SAS only.")
	}
	policies, err := s.plane.Policies(s.r)
	if err != nil {
		return err
	}
	for _, policy := range policies {
		if policy.ID != id {
			continue
		}
		for name, value := range map[string]string{"st": policy.Start, "se": policy.Expiry, "sp": policy.Permissions} {
			if value != "" && s.SAS[name] != "" {
				return failed("The field " + name + " is in the signature and in its stored access policy.")
			}
			if value != "" {
				s.SAS[name] = value
			}
		}
		return nil
	}
	return failed("SAS identifier cannot be found for specified signed identifier.")
}

// inTime refuses a signature before its start and after its end, which it must have.
func (s *shared) inTime(start, end string) error {
	now := s.r.Now
	until, err := parseTime(s.SAS[end])
	if err != nil {
		return failed(end + " is mandatory and must be a time in ISO 8601.")
	}
	from := now
	if s.SAS[start] != "" {
		if from, err = parseTime(s.SAS[start]); err != nil {
			return failed(start + " must be a time in ISO 8601.")
		}
	}
	if now.Before(from) || !now.Before(until) {
		return failed("Signature not valid in the specified time frame: Start [" + from.UTC().Format(time.RFC1123) + "] - Expiry [" +
			until.UTC().Format(time.RFC1123) + "] - Current [" + now.UTC().Format(time.RFC1123) + "]")
	}
	return nil
}

// fromHere holds the protocol and the caller's address against the signature.
func (s *shared) fromHere() error {
	switch s.SAS["spr"] {
	case "", "https", "https,http":
	default:
		return storage.AuthorizationProtocolMismatch.New()
	}
	allowed := s.SAS["sip"]
	if allowed == "" {
		return nil
	}
	first, last, ranged := strings.Cut(allowed, "-")
	if !ranged {
		last = first
	}
	from, err1 := netip.ParseAddr(first)
	to, err2 := netip.ParseAddr(last)
	address := s.r.Origin.Address
	if err1 != nil || err2 != nil || from.Compare(address) > 0 || address.Compare(to) > 0 || from.Is4() != address.Is4() {
		return storage.AuthorizationSourceIPMismatch.New(address)
	}
	return nil
}

// permit holds the operation against what the signature permits. An operation
// that no signature may do is refused.
func (s *shared) permit() error {
	if s.r.Operation == nil {
		return nil // refused for that
	}
	need, known := needOf(s.r.Operation.Name)
	letters := need.service
	if s.ofAccount() {
		if !strings.Contains(s.SAS["ss"], s.plane.Name[:1]) {
			return storage.AuthorizationServiceMismatch.New()
		}
		if !known || !strings.Contains(s.SAS["srt"], need.level) {
			return storage.AuthorizationResourceTypeMismatch.New()
		}
		letters = need.account
	}
	if known && letters != "" && breaksLease(s.r) {
		letters += "d"
	}
	if !known || !strings.ContainsAny(s.SAS["sp"], letters) {
		return storage.AuthorizationPermissionMismatch.New()
	}
	if s.SAS["sr"] != "c" && !s.ofAccount() && s.plane.Name == "blob" && s.Blob == "" {
		return storage.AuthorizationFailure.New()
	}
	s.call.CreateOnly = letters == "wc" && !strings.Contains(s.SAS["sp"], "w")
	s.call.tags = strings.Contains(s.SAS["sp"], "t")
	s.override()
	return nil
}

// breaksLease reports whether the request breaks a lease, which the permission
// to delete is enough for.
func breaksLease(r *azapi.Request) bool {
	return (r.Operation.Name == "LeaseBlob" || r.Operation.Name == "LeaseContainer") && strings.EqualFold(r.Header.Get("x-ms-lease-action"), "break")
}

// override takes the headers that the signature sets on the answer.
func (s *shared) override() {
	for name, header := range map[string]string{
		"rscc": "Cache-Control", "rscd": "Content-Disposition", "rsce": "Content-Encoding", "rscl": "Content-Language", "rsct": "Content-Type",
	} {
		value := s.SAS[name]
		if value == "" || strings.ContainsAny(value, "\r\n\x00") {
			continue
		}
		if s.call.Overrides == nil {
			s.call.Overrides = map[string]string{}
		}
		s.call.Overrides[header] = value
	}
}
