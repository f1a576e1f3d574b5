package storageapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/storage"
)

// maxSource bounds an URL of a source
// (https://learn.microsoft.com/rest/api/storageservices/copy-blob#request-headers-all-blob-types).
const maxSource = 2 << 10 // bytes

// actionReadBlob is what reading a source needs.
const actionReadBlob = storage.TypeAccount + "/blobServices/containers/blobs/read"

// Source returns the request that would read the blob which x-ms-copy-source
// names, admitted as if it had been sent: past the network rules of its account,
// by the shared access signature in the URL, else as the caller of r. The error
// says CannotVerifyCopySource with the status that reading would have had.
func (p *Plane) Source(r *azapi.Request) (*azapi.Request, error) {
	source, err := p.sourceRequest(r)
	if err != nil {
		return nil, err
	}
	if verdict := access.Admit(source.Origin, source.Target.Network); !verdict.Allowed {
		return nil, storage.CopySourceForbidden.New().Because(verdict.Nearest)
	}
	if err := p.identify(r, source); err != nil {
		return nil, err
	}
	if source.Caller.Key != "" {
		return source, nil
	}
	if err := OwnTenant(source); err != nil {
		return nil, storage.CopySourceUnauthenticated.New().Because("the caller is of another tenant than the source's account")
	}
	verdict, err := source.Allowed(r.Context(), azapi.Data(actionReadBlob), ObjectOf(source).BlobID(Of(source)))
	if err != nil {
		return nil, err
	}
	if !verdict.Allowed {
		return nil, storage.CopySourceForbidden.New().Because(verdict.Nearest)
	}
	return source, nil
}

// sourceRequest reads x-ms-copy-source and finds its account. A refusal does not
// repeat the query, which may hold a signature.
func (p *Plane) sourceRequest(r *azapi.Request) (*azapi.Request, error) {
	const header = "x-ms-copy-source"
	text := r.Header.Get(header)
	address, err := url.Parse(r.Canonical(text))
	if err != nil || len(text) > maxSource || address.Host == "" || address.Scheme != "https" && address.Scheme != "http" {
		return nil, BadHeader(header, "")
	}
	host := strings.ToLower(address.Hostname())
	if !strings.HasSuffix(host, p.suffix) {
		return nil, storage.NotServed.New("A source of a copy outside of Blob Storage")
	}
	container, blob, ok := strings.Cut(strings.TrimPrefix(address.Path, "/"), "/")
	if !ok || container == "" || blob == "" {
		return nil, BadHeader(header, address.Path)
	}
	source := *r
	source.Request = &http.Request{Method: http.MethodGet, URL: address, Host: host, Header: http.Header{}, RemoteAddr: r.RemoteAddr}
	source.Request = source.WithContext(r.Context())
	source.Host, source.Caller = host, azapi.Caller{}
	source.Operation = &azapi.Operation{Name: "GetBlob", Method: http.MethodGet, Action: azapi.Data(actionReadBlob)}
	source.Target, err = p.target(r.Context(), &source)
	if errors.Is(err, storage.AccountNotFound) {
		return nil, storage.CopySourceNotFound.New()
	}
	if err != nil {
		return nil, err
	}
	Of(&source).source = &Object{Container: container, Blob: blob, Snapshot: address.Query().Get("snapshot")}
	return &source, nil
}

// meantFor reports whether a token with that audience is one for the host.
func meantFor(host, audience string) bool {
	audience = strings.TrimSuffix(audience, "/")
	return audience == Resource || audience == "https://"+host
}

// identify finds who reads the source. The caller's own credential counts for
// its own account, and a token for any account when it is sent a second time
// for the source; a signature counts for what it signs alone.
func (p *Plane) identify(r, source *azapi.Request) error {
	caller, shared, err := p.sharedAccess(source)
	var coded *fault.Error
	switch again := r.Header.Get("x-ms-copy-source-authorization"); {
	case errors.As(err, &coded):
		kind := storage.CopySourceForbidden
		if coded.Kind.Status == http.StatusUnauthorized {
			kind = storage.CopySourceUnauthenticated
		}
		return kind.New().With(err)
	case err != nil:
		return err
	case shared:
		source.Caller = caller
	case again != "" && again != r.Header.Get("Authorization"):
		return storage.NotServed.New("A token of another caller in x-ms-copy-source-authorization")
	case r.Caller.Scheme == "Bearer" && again != "" && meantFor(source.Host, r.Caller.Audience),
		r.Caller.Scheme != schemeSAS && Of(r).ID == Of(source).ID:
		source.Caller = r.Caller
	default:
		return storage.CopySourceUnauthenticated.New().Because("the URL of the source has no shared access signature, and the caller's credential does not count there")
	}
	return nil
}
