package signature_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/storage/signature"
)

// recorded is a request as an unmodified client signed it (azure-storage-blob
// 12, azure-storage-queue 12, azure-storage-file-share 12 and azure-data-tables
// 12 for Python, whose requests were caught before they were sent).
type recorded struct {
	Name, Method, Host, Path, Query, Scheme, Signature string
	Headers                                            map[string]string
	Length                                             int64
}

func recordings(t testing.TB) ([]byte, []recorded) {
	t.Helper()
	data, err := os.ReadFile("testdata/requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Key      string
		Requests []recorded
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(file.Key)
	if err != nil {
		t.Fatal(err)
	}
	return key, file.Requests
}

func (r recorded) request() signature.Request {
	h := http.Header{}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	return signature.Request{Method: r.Method, Account: "myaccount", Path: r.Path, RawQuery: r.Query, Header: h, Length: r.Length}
}

func TestClientsSignatures(t *testing.T) {
	key, requests := recordings(t)
	for _, r := range requests {
		t.Run(strings.ReplaceAll(r.Name, " ", "-"), func(t *testing.T) {
			form := signature.SharedKey
			if strings.Contains(r.Host, ".table.") {
				form = signature.Table
			}
			if r.Scheme == "SharedKeyLite" {
				form++
			}
			texts := r.request().Texts(form)
			if !signature.Verify(key, texts, r.Signature) {
				t.Errorf("the client's signature %s is not of %q", r.Signature, texts)
			}
			key := append([]byte{1}, key[1:]...)
			if signature.Verify(key, texts, r.Signature) {
				t.Error("the signature verifies with another key")
			}
		})
	}
}

// TestDocumentedTexts: the examples of
// https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key.
func TestDocumentedTexts(t *testing.T) {
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	for _, test := range []struct {
		name    string
		form    signature.Form
		request signature.Request
		want    string
	}{
		{"get-container-metadata", signature.SharedKey, signature.Request{
			Method: "GET", Account: "myaccount", Path: "/mycontainer", RawQuery: "comp=metadata&restype=container&timeout=20",
			Header: header("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT", "x-ms-version", "2015-02-21"),
		}, "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"},
		{"get-blob", signature.SharedKey, signature.Request{
			Method: "GET", Account: "myaccount", Path: "/mycontainer", RawQuery: "restype=container&comp=list&include=snapshots&include=metadata&include=uncommittedblobs",
			Header: header("Date", "Fri, 26 Jun 2015 23:39:12 GMT"),
		}, "GET\n\n\n\n\n\nFri, 26 Jun 2015 23:39:12 GMT\n\n\n\n\n\n/myaccount/mycontainer\ncomp:list\ninclude:metadata,snapshots,uncommittedblobs\nrestype:container"},
		{"old-empty-put", signature.SharedKey, signature.Request{
			Method: "PUT", Account: "myaccount", Path: "/mycontainer/blob", Header: header("x-ms-date", "Sun, 11 Oct 2009 19:52:39 GMT", "x-ms-version", "2009-09-19"),
		}, "PUT\n\n\n0\n\n\n\n\n\n\n\n\nx-ms-date:Sun, 11 Oct 2009 19:52:39 GMT\nx-ms-version:2009-09-19\n/myaccount/mycontainer/blob"},
		{"put-blob-lite", signature.SharedKeyLite, signature.Request{
			Method: "PUT", Account: "testaccount1", Path: "/mycontainer/hello.txt", Length: 11,
			Header: header("Content-Type", "text/plain; charset=UTF-8", "x-ms-date", "Sun, 20 Sep 2009 20:36:40 GMT", "x-ms-meta-m1", "v1", "x-ms-meta-m2", "v2"),
		}, "PUT\n\ntext/plain; charset=UTF-8\n\nx-ms-date:Sun, 20 Sep 2009 20:36:40 GMT\nx-ms-meta-m1:v1\nx-ms-meta-m2:v2\n/testaccount1/mycontainer/hello.txt"},
		{"tables", signature.Table, signature.Request{
			Method: "GET", Account: "testaccount1", Path: "/Tables", RawQuery: "$top=1", Header: header("Date", "Sun, 11 Oct 2009 19:52:39 GMT"),
		}, "GET\n\n\nSun, 11 Oct 2009 19:52:39 GMT\n/testaccount1/Tables"},
		{"tables-lite", signature.TableLite, signature.Request{
			Method: "GET", Account: "testaccount1", Path: "/", RawQuery: "comp=properties&restype=service", Header: header("x-ms-date", "Sun, 11 Oct 2009 19:53:39 GMT"),
		}, "Sun, 11 Oct 2009 19:53:39 GMT\n/testaccount1/?comp=properties"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.request.Texts(test.form); len(got) != 1 || got[0] != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestOrderOfHeaders: names with hyphens and underscores sort in two ways, and
// both are taken.
func TestOrderOfHeaders(t *testing.T) {
	h := http.Header{}
	for _, name := range []string{"x-ms-meta-fooa", "x-ms-meta-foo-z", "x-ms-meta-foo1", "x-ms-meta-foo_1", "x-ms-meta-foo-a"} {
		h.Set(name, "v")
	}
	texts := signature.Request{Method: "PUT", Account: "a", Path: "/", Header: h}.Texts(signature.SharedKey)
	want := []string{"foo-a foo-z foo1 foo_1 fooa", "foo_1 foo1 fooa foo-a foo-z"}
	for i, text := range texts {
		order := strings.NewReplacer("x-ms-meta-", "", ":v\n", " ", "/a/", "", "PUT", "", "\n", "").Replace(text)
		if i >= len(want) || strings.TrimSpace(order) != want[i] {
			t.Errorf("order %d: got %q, want one of %q", i, order, want)
		}
	}
	if len(texts) != 2 {
		t.Errorf("got %d texts, want 2", len(texts))
	}
}

func TestVerify(t *testing.T) {
	secret := []byte("secret")
	good := signature.Encode(secret, "text")
	for name, test := range map[string]struct {
		texts []string
		sent  string
		want  bool
	}{
		"right":      {[]string{"text"}, good, true},
		"second":     {[]string{"other", "text"}, good, true},
		"other-text": {[]string{"other"}, good, false},
		"no-text":    {nil, good, false},
		"cut":        {[]string{"text"}, good[:40], false},
		"empty":      {[]string{"text"}, "", false},
		"no-base64":  {[]string{"text"}, "%%%", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := signature.Verify(secret, test.texts, test.sent); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// FuzzTexts: whatever is sent makes the same one or two texts every time, and
// another account makes others.
func FuzzTexts(f *testing.F) {
	_, requests := recordings(f)
	for _, r := range requests {
		f.Add(r.Method, r.Path, r.Query, "x-ms-meta-a", "b")
	}
	f.Add("GET", "/%zz", "a=%zz&A=%2B+&&=", "X-Ms-Meta-_-", " \t")
	f.Fuzz(func(t *testing.T, method, path, query, name, value string) {
		h := http.Header{}
		h.Set(name, value)
		h.Set("x-ms-meta-a-", value)
		r := signature.Request{Method: method, Account: "a", Path: path, RawQuery: query, Header: h}
		for _, form := range []signature.Form{signature.SharedKey, signature.SharedKeyLite, signature.Table, signature.TableLite} {
			texts := r.Texts(form)
			if len(texts) < 1 || len(texts) > 2 || strings.Join(texts, "\x00") != strings.Join(r.Texts(form), "\x00") {
				t.Fatalf("form %d: got %q, then %q", form, texts, r.Texts(form))
			}
			other := r
			other.Account = "b"
			if other.Texts(form)[0] == texts[0] {
				t.Fatalf("form %d: the same text for two accounts: %q", form, texts[0])
			}
		}
	})
}
