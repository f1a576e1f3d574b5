package graph

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
)

func (g *Graph) addApplicationPassword(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.application(r)
	if err != nil {
		return err
	}
	return g.addPassword(w, r, p, false)
}

func (g *Graph) addPrincipalPassword(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.writable(r)
	if err != nil {
		return err
	}
	return g.addPassword(w, r, p, true)
}

// addPassword makes a client secret and shows it this once
// (https://learn.microsoft.com/graph/api/application-addpassword).
func (g *Graph) addPassword(w http.ResponseWriter, r *azapi.Request, p *directory.Principal, service bool) error {
	var asked struct {
		PasswordCredential struct {
			DisplayName                *string
			StartDateTime, EndDateTime *time.Time
		}
	}
	if err := readInto(r, &asked); err != nil {
		return err
	}
	secret := directory.Secret{Starts: g.Now(), Service: service}
	sent := asked.PasswordCredential
	if sent.DisplayName != nil {
		secret.Name = *sent.DisplayName
	}
	if len(secret.Name) > maxText {
		return badProperty.New("displayName", "PasswordCredential")
	}
	if sent.StartDateTime != nil {
		secret.Starts = *sent.StartDateTime
	}
	secret.Expires = secret.Starts.Add(directory.DefaultSecretLifetime)
	if sent.EndDateTime != nil {
		secret.Expires = *sent.EndDateTime
	}
	if !secret.Starts.Before(secret.Expires) {
		return badProperty.New("endDateTime", "PasswordCredential")
	}
	made, value, err := g.Directory.NewSecret(r.Context(), p.ObjectID, secret)
	if err != nil {
		return wire(err, applicationKind(), p.AppObjectID)
	}
	shown := viewPassword(&made)
	shown["secretText"] = value
	shown["@odata.context"] = contextURL(r, "microsoft.graph.passwordCredential")
	return azapi.WriteJSON(w, http.StatusOK, shown)
}

func (g *Graph) removeApplicationPassword(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.application(r)
	if err != nil {
		return err
	}
	return g.removePassword(w, r, p, false)
}

func (g *Graph) removePrincipalPassword(w http.ResponseWriter, r *azapi.Request) error {
	p, err := g.writable(r)
	if err != nil {
		return err
	}
	return g.removePassword(w, r, p, true)
}

func (g *Graph) removePassword(w http.ResponseWriter, r *azapi.Request, p *directory.Principal, service bool) error {
	var asked struct{ KeyID string }
	if err := readInto(r, &asked); err != nil {
		return err
	}
	_, err := g.Directory.Update(r.Context(), p.ObjectID, func(p *directory.Principal) error {
		at := slices.IndexFunc(p.Secrets, func(s directory.Secret) bool { return s.Service == service && strings.EqualFold(s.ID, asked.KeyID) })
		if at < 0 {
			return noKey.New(asked.KeyID)
		}
		p.Secrets = slices.Delete(p.Secrets, at, at+1)
		return nil
	})
	if err != nil {
		return wire(err, applicationKind(), p.AppObjectID)
	}
	return noContent(w)
}

// keyCredential is one entry of keyCredentials. One without a key names, by its
// keyId, a certificate that is there already.
type keyCredential struct {
	KeyID       string  `json:"keyId"`
	DisplayName *string `json:"displayName"`
	Type        string  `json:"type"`
	Usage       string  `json:"usage"`
	Key         *string `json:"key"`
}

// setKeys replaces the certificates of the app registration or of the service
// principal; those of the other stay.
func (g *Graph) setKeys(p *directory.Principal, raw json.RawMessage, service bool) error {
	var sent []keyCredential
	if json.Unmarshal(raw, &sent) != nil {
		return badProperty.New("keyCredentials", applicationKind().name)
	}
	next := slices.DeleteFunc(slices.Clone(p.Certificates), func(c directory.Certificate) bool { return c.Service == service })
	for _, one := range sent {
		certificate, err := one.certificate(p, service, g.NewID)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(next, func(c directory.Certificate) bool { return strings.EqualFold(c.ID, certificate.ID) }) {
			return badKey.New("two of them have the same keyId")
		}
		next = append(next, certificate)
	}
	if len(next) > directory.MaxCertificates {
		return tooMany.New("keyCredentials")
	}
	p.Certificates = next
	return nil
}

func (k keyCredential) certificate(p *directory.Principal, service bool, newID func() string) (directory.Certificate, error) {
	if k.Key == nil || *k.Key == "" {
		at := slices.IndexFunc(p.Certificates, func(c directory.Certificate) bool { return c.Service == service && strings.EqualFold(c.ID, k.KeyID) })
		if at < 0 {
			return directory.Certificate{}, badKey.New("an entry has no key and no keyId of a certificate that is there")
		}
		return p.Certificates[at], nil
	}
	if !strings.EqualFold(k.Type, "AsymmetricX509Cert") || !strings.EqualFold(k.Usage, "Verify") {
		return directory.Certificate{}, badKey.New("type is AsymmetricX509Cert and usage is Verify; signing keys are not served")
	}
	der, ok := decodeKey(*k.Key)
	if !ok {
		return directory.Certificate{}, badKey.New("key is a certificate in DER, base64 encoded")
	}
	certificate := directory.Certificate{ID: strings.ToLower(k.KeyID), DER: der, Service: service}
	if k.DisplayName != nil {
		certificate.Name = *k.DisplayName
	}
	switch {
	case certificate.ID == "":
		certificate.ID = strings.ToLower(newID())
	case !chain.IsGUID(certificate.ID):
		return directory.Certificate{}, badKey.New("keyId is a GUID")
	}
	if len(certificate.Name) > maxText {
		return directory.Certificate{}, badKey.New("displayName is too long")
	}
	return certificate, nil
}

// decodeKey takes a certificate in DER, and one in PEM: some clients send the
// bytes of the file.
func decodeKey(key string) ([]byte, bool) {
	decoded, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return nil, false
	}
	if block, _ := pem.Decode(decoded); block != nil && block.Type == "CERTIFICATE" {
		decoded = block.Bytes
	}
	if _, err := x509.ParseCertificate(decoded); err != nil {
		return nil, false
	}
	return bytes.Clone(decoded), true
}
