package signature

import (
	"strings"
)

// SAS is a shared access signature: the parameters of a query that belong to it
// (https://learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature).
type SAS map[string]string

// ParseSAS reads the parameters of a query. Of one that is there twice, the
// first counts.
func ParseSAS(rawQuery string) SAS {
	sas := SAS{}
	for name, values := range (Request{RawQuery: rawQuery}).query() {
		sas[name] = values[0]
	}
	return sas
}

// Versions in which the signed text got further fields.
const (
	oldest       = "2015-04-05" // with the address, the protocol and the kind of SAS of today
	withResource = "2018-11-09" // the kind of resource and the snapshot
	withAgents   = "2020-02-10" // whom a user delegation is for
	withScope    = "2020-12-06" // the encryption scope
	withUser     = "2025-07-05" // the user that a user delegation is bound to
	withRequest  = "2026-04-06" // headers and query that a user delegation is bound to
)

// Supported reports whether the version's text is one that is known here.
func (s SAS) Supported() bool {
	version := s["sv"]
	return len(version) == len(oldest) && version >= oldest && version[4] == '-' && version[7] == '-'
}

func (s SAS) fields(names ...string) []string {
	values := make([]string, 0, len(names)+4)
	for _, name := range names {
		values = append(values, s[name])
	}
	return values
}

// AccountText is what an account SAS signs
// (https://learn.microsoft.com/rest/api/storageservices/create-account-sas#construct-the-signature-string).
func (s SAS) AccountText(account string) string {
	fields := append([]string{account}, s.fields("sp", "ss", "srt", "st", "se", "sip", "spr", "sv")...)
	if s["sv"] >= withScope {
		fields = append(fields, s["ses"])
	}
	return strings.Join(fields, "\n") + "\n"
}

// BlobText is what a service SAS of a container or blob signs; resource is
// "/blob/account/container/name" and its time the blob's snapshot
// (https://learn.microsoft.com/rest/api/storageservices/create-service-sas#construct-the-signature-string).
func (s SAS) BlobText(resource, snapshot string) string {
	fields := append(s.fields("sp", "st", "se"), resource)
	fields = append(fields, s.fields("si", "sip", "spr", "sv")...)
	return strings.Join(append(fields, s.object(snapshot)...), "\n")
}

// QueueText is what a service SAS of a queue signs; resource is "/queue/account/name".
func (s SAS) QueueText(resource string) string {
	fields := append(s.fields("sp", "st", "se"), resource)
	return strings.Join(append(fields, s.fields("si", "sip", "spr", "sv")...), "\n")
}

// DelegatedText is what a user delegation SAS of a container or blob signs
// (https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#construct-the-signature-string).
func (s SAS) DelegatedText(resource, snapshot string) string {
	fields := append(s.fields("sp", "st", "se"), resource)
	fields = append(fields, s.fields("skoid", "sktid", "skt", "ske", "sks", "skv")...)
	if s["sv"] >= withAgents {
		fields = append(fields, s.fields("saoid", "suoid", "scid")...)
	}
	if s["sv"] >= withUser {
		fields = append(fields, s.fields("skdutid", "sduoid")...)
	}
	fields = append(fields, s.fields("sip", "spr", "sv")...)
	object := s.object(snapshot)
	if s["sv"] < withRequest {
		return strings.Join(append(fields, object...), "\n")
	}
	at := len(object) - len(overrides())
	fields = append(append(fields, object[:at]...), s.fields("srh", "srq")...)
	return strings.Join(append(fields, object[at:]...), "\n")
}

// object is the end of the text of blobs: what they are, and their headers.
func (s SAS) object(snapshot string) []string {
	var fields []string
	if s["sv"] >= withResource {
		fields = append(fields, s["sr"], snapshot)
	}
	if s["sv"] >= withScope {
		fields = append(fields, s["ses"])
	}
	return append(fields, s.fields(overrides()...)...)
}

// overrides are the parameters that set headers of the answer.
func overrides() []string { return []string{"rscc", "rscd", "rsce", "rscl", "rsct"} }

// Delegation is a user delegation key as a SAS names it
// (https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key).
type Delegation struct{ ObjectID, TenantID, Start, Expiry, Service, Version string }

// Delegation is the key that a user delegation SAS says it is signed with.
func (s SAS) Delegation() Delegation {
	return Delegation{s["skoid"], s["sktid"], s["skt"], s["ske"], s["sks"], s["skv"]}
}

// Value is the key itself, made of an account's secret: whoever names another
// user or time has another key.
func (d Delegation) Value(secret []byte) []byte {
	return Sign(secret, strings.Join([]string{"user delegation key", d.ObjectID, d.TenantID, d.Start, d.Expiry, d.Service, d.Version}, "\n"))
}
