package appconfig

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/azapi"
)

// scheme is how a request says that it is signed with an access key
// (https://learn.microsoft.com/azure/azure-app-configuration/rest-api-authentication-hmac).
const scheme = "HMAC-SHA256"

const (
	maxSkew    = 15 * time.Minute
	maxHeaders = 16 // signed headers; clients sign three
	headerDate = "x-ms-date"
	headerHash = "x-ms-content-sha256"
)

// signature is what follows the scheme in an Authorization header.
type signature struct {
	credential string   // id of the access key
	headers    []string // signed ones, in the order in which they are signed
	mac        []byte
}

// parseSignature reads Credential, SignedHeaders and Signature. SDKs separate
// them with & or with a comma and a space. The error's text is the service's own.
func parseSignature(text string) (signature, error) {
	parameters := map[string]string{}
	for part := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == '&' || c == ',' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		name = strings.ToLower(name)
		if _, twice := parameters[name]; twice || len(parameters) == maxHeaders {
			return signature{}, unsigned("Invalid %s parameter", scheme)
		}
		parameters[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if parameters[strings.ToLower(name)] == "" {
			return signature{}, unsigned("%s is required", name)
		}
	}
	mac, err := base64.StdEncoding.DecodeString(parameters["signature"])
	if err != nil {
		return signature{}, unsigned("Invalid Signature")
	}
	s := signature{credential: parameters["credential"], headers: strings.Split(parameters["signedheaders"], ";"), mac: mac}
	if len(s.headers) > maxHeaders {
		return signature{}, unsigned("Invalid SignedHeaders parameter")
	}
	return s, nil
}

// unsigned refuses a signature with the text that stands in WWW-Authenticate, too.
func unsigned(format string, args ...any) error {
	err := badSignature.New(fmt.Sprintf(format, args...))
	err.SetHeader("WWW-Authenticate", scheme+` error="invalid_token" error_description="`+quoteSafe(err.Message)+`", Bearer`)
	return problem(err, "Unauthorized", "", err.Message)
}

// signed reports whether a header is among the signed ones.
func (s signature) signed(name string) bool {
	return slices.ContainsFunc(s.headers, func(h string) bool { return strings.EqualFold(h, name) })
}

// verify admits a request that is signed with one of the store's access keys,
// and its body when the hash that was signed is the body's.
func verify(r *azapi.Request, credential string) (azapi.Caller, error) {
	of := storeFrom(r)
	if !of.localAuth {
		return azapi.Caller{}, unsigned("Authentication scheme disabled")
	}
	s, err := parseSignature(credential)
	if err != nil {
		return azapi.Caller{}, err
	}
	key, ok := of.key(s.credential)
	if !ok {
		return azapi.Caller{}, unsigned("Invalid Credential")
	}
	if err := s.checkHeaders(r); err != nil {
		return azapi.Caller{}, err
	}
	if !s.matches(r, key) {
		return azapi.Caller{}, unsigned("Invalid Signature")
	}
	if err := checkBody(r); err != nil {
		return azapi.Caller{}, err
	}
	if key.readOnly && r.Operation != nil && !strings.HasSuffix(r.Operation.Action.Access().Name, "/read") {
		return azapi.Caller{}, readOnlyError(key.name)
	}
	return azapi.Caller{Scheme: scheme, Key: key.name}, nil
}

// checkHeaders wants the host, the body's hash and a date to be signed, and the
// date to be now. Only a signed date counts.
func (s signature) checkHeaders(r *azapi.Request) error {
	for _, name := range []string{"host", headerHash} {
		if !s.signed(name) {
			return unsigned("Required signing request header '%s' not found", name)
		}
	}
	dated := headerDate
	if !s.signed(headerDate) {
		dated = "Date"
	}
	if !s.signed(dated) {
		return unsigned("Required signing request header '%s' not found", headerDate)
	}
	for _, name := range s.headers {
		if _, there := headerValue(r, name); !there {
			return unsigned("Required signing request header '%.64s' not found", name)
		}
	}
	date, err := parseDate(r.Header.Get(dated))
	if err != nil {
		return unsigned("Invalid access token date")
	}
	if r.Now.Sub(date).Abs() > maxSkew {
		return unsigned("The access token has expired")
	}
	return nil
}

// parseDate reads an HTTP date, or the one that older SDKs for Python send:
// "Nov, 23 2026 14:37:40.757928 GMT".
func parseDate(text string) (time.Time, error) {
	date, err := http.ParseTime(text)
	if err != nil {
		date, err = time.Parse("Jan, 02 2006 15:04:05.999999 GMT", text)
	}
	return date, err
}

func headerValue(r *azapi.Request, name string) (string, bool) {
	if strings.EqualFold(name, "host") {
		return r.Request.Host, true
	}
	values := r.Header.Values(name)
	return strings.Join(values, ","), len(values) > 0
}

// matches computes the signature of the request as it was sent. Some SDKs sign
// the host without its port.
func (s signature) matches(r *azapi.Request, key signingKey) bool {
	target := r.RequestURI
	if target == "" || target[0] != '/' {
		target = r.URL.RequestURI()
	}
	hosts := []string{r.Request.Host}
	if bare, _, ported := strings.Cut(r.Request.Host, ":"); ported {
		hosts = append(hosts, bare)
	}
	same := 0
	for _, host := range hosts {
		values := make([]string, len(s.headers))
		for i, name := range s.headers {
			values[i], _ = headerValue(r, name)
			if strings.EqualFold(name, "host") {
				values[i] = host
			}
		}
		mac := hmac.New(sha256.New, key.secret)
		_, _ = io.WriteString(mac, r.Method+"\n"+target+"\n"+strings.Join(values, ";")) // never fails
		same |= subtle.ConstantTimeCompare(mac.Sum(nil), s.mac)
	}
	return same == 1
}

// checkBody reads the body, as far as the operation takes it, and compares its
// hash. The handler reads it again.
func checkBody(r *azapi.Request) error {
	limit := int64(maxBody)
	if r.Operation != nil && r.Operation.MaxBody > 0 {
		limit = r.Operation.MaxBody
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return invalid("body", "the request body ended early")
	}
	if int64(len(body)) > limit {
		return tooLargeError(maxSetting)
	}
	sum := sha256.Sum256(body)
	if base64.StdEncoding.EncodeToString(sum[:]) != r.Header.Get(headerHash) {
		return unsigned("Invalid request content hash")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
