package storageapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storage/signature"
)

// window is how far the date of a signed request may be from now
// (https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key#specifying-the-date-header).
const window = 15 * time.Minute

// Forms are what the two schemes of a plane sign.
type Forms struct{ Full, Lite signature.Form }

// Objects are the forms of blobs, queues and files.
func Objects() Forms { return Forms{signature.SharedKey, signature.SharedKeyLite} }

// Tables are the forms of tables.
func Tables() Forms { return Forms{signature.Table, signature.TableLite} }

func (p *Plane) sharedKey(r *azapi.Request, credential string) (azapi.Caller, error) {
	return verifyKey(r, credential, p.Forms.Full, "SharedKey")
}

func (p *Plane) sharedKeyLite(r *azapi.Request, credential string) (azapi.Caller, error) {
	return verifyKey(r, credential, p.Forms.Lite, "SharedKeyLite")
}

// verifyKey checks a request that is signed with a key of the account
// (https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key).
func verifyKey(r *azapi.Request, credential string, form signature.Form, scheme string) (azapi.Caller, error) {
	call, ok := r.Target.Resource.(*Call)
	if !ok {
		return azapi.Caller{}, storage.AccountNotFound.New(r.ResourceName())
	}
	if !call.SharedKey {
		return azapi.Caller{}, storage.KeyBasedAuthenticationNotPermitted.New()
	}
	account, sent, ok := strings.Cut(credential, ":")
	if !ok || account == "" || sent == "" {
		return azapi.Caller{}, storage.InvalidAuthorizationHeader.New()
	}
	if !strings.EqualFold(account, call.Name) {
		return azapi.Caller{}, failed("The account named in the Authorization header is not the account of the host.")
	}
	if err := recent(r); err != nil {
		return azapi.Caller{}, err
	}
	texts := signedOf(r, account).Texts(form)
	key := call.SignedBy(texts, sent)
	if key == "" {
		return azapi.Caller{}, failed("The MAC signature found in the HTTP request is not the same as any computed signature. " +
			"Server used following string to sign: '" + texts[0][:min(len(texts[0]), maxShown)] + "'.")
	}
	return azapi.Caller{Principal: access.Principal{TenantID: call.TenantID}, Scheme: scheme, Key: key}, nil
}

// maxShown bounds what a refusal shows of what was to be signed. It is made of
// the request alone.
const maxShown = 1024 // bytes

// signedOf is what is signed of a request, as it came over the wire.
func signedOf(r *azapi.Request, account string) signature.Request {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") {
		path, query = r.URL.EscapedPath(), r.URL.RawQuery
	}
	return signature.Request{
		Method: r.Method, Account: account, Path: path, RawQuery: query, Header: r.Header, Length: r.ContentLength,
	}
}

// recent refuses a request that was not dated about now: one that was recorded
// must not be sent again later.
func recent(r *azapi.Request) error {
	text := r.Header.Get("x-ms-date")
	if text == "" {
		text = r.Header.Get("Date")
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return failed("The Date header in the request is incorrect.")
	}
	if age := r.Now.Sub(at); age > window {
		return failed("Request date header too old: '" + Clip(text) + "'.")
	} else if age < -window {
		return failed("Request date header is in the future: '" + Clip(text) + "'.")
	}
	return nil
}
