package appconfig_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/azapi"
)

// signer signs requests as the SDKs do.
type signer struct {
	id, secret string
	headers    string // SignedHeaders
	separator  string
	host       string
	date       string // header of the date
}

func signerOf(w world, index string) signer {
	w.T.Helper()
	got := w.Want(post(storeID+"/listKeys", nil), 200, "")
	return signer{
		id: got.Get("value." + index + ".id"), secret: got.Get("value." + index + ".value"),
		headers: "x-ms-date;host;x-ms-content-sha256", separator: "&", host: host, date: "x-ms-date",
	}
}

func (s signer) sign(t testing.TB, r apptest.Request, now string) apptest.Request {
	t.Helper()
	body, _ := r.Body.(string)
	sum := sha256.Sum256([]byte(body))
	hash := base64.StdEncoding.EncodeToString(sum[:])
	secret, err := base64.StdEncoding.DecodeString(s.secret)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"x-ms-date": now, "date": now, "host": s.host, "x-ms-content-sha256": hash, "accept": "*/*"}
	var signed []string
	for name := range strings.SplitSeq(s.headers, ";") {
		signed = append(signed, values[strings.ToLower(name)])
	}
	_, target, _ := strings.Cut(r.URL, "/")
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(r.Method + "\n/" + target + "\n" + strings.Join(signed, ";")))
	header := map[string]string{s.date: now, "x-ms-content-sha256": hash, "Accept": "*/*"}
	for name, value := range r.Header {
		header[name] = value
	}
	header["Authorization"] = "HMAC-SHA256 " + strings.Join([]string{
		"Credential=" + s.id, "SignedHeaders=" + s.headers, "Signature=" + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}, s.separator)
	r.Header, r.As = header, "-"
	return r
}

func (w world) date(skew time.Duration) string { return azapi.HTTPTime(w.Now().Add(skew)) }

func TestSignedRequests(t *testing.T) {
	w := start(t)
	js := signerOf(w, "0")
	w.want(js.sign(t, at("PUT", "/kv/a%2Fb?label=x%20y", `{"value":"1"}`), w.date(0)), 200)
	w.want(js.sign(t, at("DELETE", "/kv/none", nil), w.date(0)), 204)
	golang := js
	golang.headers, golang.separator, golang.date = "date;host;x-ms-content-sha256", ", ", "Date"
	other := js
	other.headers = "Host;X-MS-Date;Accept;x-ms-content-sha256"
	secondary := signerOf(w, "1")
	reader := signerOf(w, "2")
	for name, request := range map[string]apptest.Request{
		"javascript":    js.sign(t, at("GET", "/kv?key=*&label=%00", nil), w.date(0)),
		"go":            golang.sign(t, at("GET", "/kv", nil), w.date(0)),
		"more_headers":  other.sign(t, at("HEAD", "/kv", nil), w.date(0)),
		"older_python":  js.sign(t, at("GET", "/kv", nil), w.Now().Format("Jan, 02 2006 15:04:05.000000 GMT")),
		"late":          js.sign(t, at("GET", "/kv", nil), w.date(15*time.Minute)),
		"early":         js.sign(t, at("GET", "/kv", nil), w.date(-15*time.Minute)),
		"secondary_key": secondary.sign(t, at("PUT", "/locks/a%2Fb?label=x%20y", nil), w.date(0)),
		"read_only_key": reader.sign(t, at("GET", "/kv", nil), w.date(0)),
		"revisions":     reader.sign(t, at("GET", "/revisions", nil), w.date(0)),
	} {
		t.Run(name, func(t *testing.T) { w.want(request, 200) })
	}
	ported := js
	ported.host = host + ":8443"
	request := at("GET", "/kv", nil)
	request.URL = strings.Replace(request.URL, host, ported.host, 1)
	w.want(ported.sign(t, request, w.date(0)), 200)
	w.want(js.sign(t, request, w.date(0)), 200) // .NET signs the name alone
	if last := w.Last(); last.Caller.Key != "Primary" {
		t.Errorf("the caller: got %+v", last.Caller)
	}
	for _, write := range []apptest.Request{at("PUT", "/kv/x", `{}`), at("DELETE", "/kv/x", nil), at("PUT", "/locks/x", nil), at("DELETE", "/locks/x", nil)} {
		got := w.want(reader.sign(t, write, w.date(0)), 403)
		if got.Get("type") != "https://azconfig.io/errors/forbidden" {
			t.Errorf("%s with a read-only key: got %s", write.Method, got.Body)
		}
	}
}

func TestSignatureRefusals(t *testing.T) {
	w := start(t)
	good := signerOf(w, "0")
	request := at("PUT", "/kv/one", `{"value":"1"}`)
	signed := func(change func(*apptest.Request)) apptest.Request {
		r := good.sign(t, request, w.date(0))
		change(&r)
		return r
	}
	header := func(name, value string) apptest.Request {
		return signed(func(r *apptest.Request) { r.Header[name] = value })
	}
	without := func(headers string) apptest.Request {
		s := good
		s.headers = headers
		return s.sign(t, request, w.date(0))
	}
	stranger, forger := good, good
	stranger.id = "stranger"
	forger.secret = base64.StdEncoding.EncodeToString(make([]byte, 32))
	undated := good
	undated.headers, undated.date = "date;host;x-ms-content-sha256", "Date"
	stale := undated.sign(t, request, w.date(-time.Hour))
	stale.Header["x-ms-date"] = w.date(0) // which is not signed
	for name, c := range map[string]struct {
		request     apptest.Request
		description string
	}{
		"body":             {signed(func(r *apptest.Request) { r.Body = `{"value":"2"}` }), "Invalid request content hash"},
		"hash":             {header("x-ms-content-sha256", "x"), "Invalid Signature"},
		"path":             {signed(func(r *apptest.Request) { r.URL = strings.Replace(r.URL, "/one", "/two", 1) }), "Invalid Signature"},
		"query":            {signed(func(r *apptest.Request) { r.URL += "&label=x" }), "Invalid Signature"},
		"method":           {signed(func(r *apptest.Request) { r.Method = "DELETE" }), "Invalid Signature"},
		"date":             {header("x-ms-date", w.date(time.Minute)), "Invalid Signature"},
		"no_date":          {header("x-ms-date", "now"), "Invalid access token date"},
		"old":              {good.sign(t, request, w.date(-15*time.Minute-time.Second)), "The access token has expired"},
		"future":           {good.sign(t, request, w.date(15*time.Minute+time.Second)), "The access token has expired"},
		"another_date":     {stale, "The access token has expired"},
		"unsigned_date":    {without("host;x-ms-content-sha256"), "Required signing request header 'x-ms-date' not found"},
		"unsigned_host":    {without("x-ms-date;x-ms-content-sha256"), "Required signing request header 'host' not found"},
		"unsigned_hash":    {without("x-ms-date;host"), "Required signing request header 'x-ms-content-sha256' not found"},
		"absent_header":    {without("x-ms-date;host;x-ms-content-sha256;x-none"), "Required signing request header 'x-none' not found"},
		"stranger":         {stranger.sign(t, request, w.date(0)), "Invalid Credential"},
		"forger":           {forger.sign(t, request, w.date(0)), "Invalid Signature"},
		"empty":            {header("Authorization", "HMAC-SHA256"), "Credential is required"},
		"no_headers":       {header("Authorization", "HMAC-SHA256 Credential=x&Signature=eA=="), "SignedHeaders is required"},
		"no_signature":     {header("Authorization", "HMAC-SHA256 Credential=x&SignedHeaders=host"), "Signature is required"},
		"no_base64":        {header("Authorization", "HMAC-SHA256 Credential=x&SignedHeaders=host&Signature=***"), "Invalid Signature"},
		"twice":            {header("Authorization", "HMAC-SHA256 Credential=x&Credential=y&SignedHeaders=host&Signature=eA=="), "Invalid HMAC-SHA256 parameter"},
		"many_headers":     {header("Authorization", "HMAC-SHA256 Credential=x&Signature=eA==&SignedHeaders="+strings.Repeat("a;", 50)), "Invalid SignedHeaders parameter"},
		"hostile_header":   {header("Authorization", "HMAC-SHA256 Credential="+good.id+"&Signature=eA==&SignedHeaders=x-ms-date;host;x-ms-content-sha256;\"\\"), "Required signing request header '''' not found"},
		"another_operator": {signed(func(r *apptest.Request) { r.URL = strings.Replace(r.URL, "/kv/", "/nothing/", 1) }), "Invalid Signature"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.want(c.request, 401)
			want := `HMAC-SHA256 error="invalid_token" error_description="` + c.description + `", Bearer`
			if got.Header.Get("WWW-Authenticate") != want || got.Get("status") != "401" || got.Header.Get("Content-Type") != "application/problem+json; charset=utf-8" {
				t.Errorf("got %q, want %q; %s", got.Header.Get("WWW-Authenticate"), want, got.Body)
			}
			if strings.Contains(got.Body, good.secret) {
				t.Error("the answer holds the key")
			}
		})
	}
	w.want(good.sign(t, at("PUT", "/kv/one", `{"value":"`+strings.Repeat("x", 100<<10)+`"}`), w.date(0)), 413)
	w.want(at("GET", "/kv/one", nil), 404)
	w.want(good.sign(t, at("GET", "/nothing", nil), w.date(0)), 501)
	w.Want(apptest.Request{Method: "PATCH", URL: storeID, Body: `{"properties":{"publicNetworkAccess":"Disabled"}}`}, 200, "")
	if got := w.want(good.sign(t, request, w.date(0)), 403); got.Get("type") != "https://azconfig.io/errors/forbidden-by-network" {
		t.Errorf("a key does not pass the firewall: got %s", got.Body)
	}
}

func TestKeysComeAndGo(t *testing.T) {
	w := start(t)
	request := at("GET", "/kv", nil)
	primary, secondary := signerOf(w, "0"), signerOf(w, "1")
	w.Want(post(storeID+"/regenerateKey", `{"id":"none"}`), 404, "AccessKeyNotFound")
	w.Want(post(storeID+"/regenerateKey", `[`), 400, "InvalidRequestContent")
	denied := post(storeID+"/regenerateKey", map[string]any{"id": primary.id})
	denied.As = nobody
	w.Want(denied, 403, "AuthorizationFailed")
	w.Advance(time.Minute)
	got := w.Want(post(storeID+"/regenerateKey", map[string]any{"id": primary.id}), 200, "")
	if got.Get("id") != primary.id || got.Get("value") == primary.secret || got.Get("lastModified") != "2026-09-01T12:01:00Z" || !strings.HasSuffix(got.Get("connectionString"), got.Get("value")) {
		t.Errorf("regenerated: got %s", got.Body)
	}
	w.want(primary.sign(t, request, w.date(0)), 401)
	w.want(signerOf(w, "0").sign(t, request, w.date(0)), 200)
	w.want(secondary.sign(t, request, w.date(0)), 200)

	w.Want(apptest.Request{Method: "PATCH", URL: storeID, Body: `{"properties":{"disableLocalAuth":true}}`}, 200, "")
	if got := w.want(secondary.sign(t, request, w.date(0)), 401); !strings.Contains(got.Header.Get("WWW-Authenticate"), "Authentication scheme disabled") {
		t.Errorf("local authentication is off: got %v", got.Header)
	}
	w.want(request, 200) // with a token
	if got := w.Want(post(storeID+"/listKeys", nil), 200, ""); got.Body != `{"value":[]}` {
		t.Errorf("keys of a store that takes none: got %s", got.Body)
	}
	w.Want(apptest.Request{Method: "PATCH", URL: storeID, Body: `{"properties":{"disableLocalAuth":false}}`}, 200, "")
	w.want(secondary.sign(t, request, w.date(0)), 401)
	w.want(signerOf(w, "1").sign(t, request, w.date(0)), 200)
}
