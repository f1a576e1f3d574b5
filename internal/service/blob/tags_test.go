package blob_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestTags(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	put := s.want(request{method: http.MethodPut, path: "/con/b", as: dataOwner, body: "x", headers: map[string]string{
		"x-ms-blob-type": "BlockBlob", "x-ms-tags": "team=red&stage=test%20run",
	}}, 201, "")
	const want = "<Tags><TagSet><Tag><Key>stage</Key><Value>test run</Value></Tag><Tag><Key>team</Key><Value>red</Value></Tag></TagSet></Tags>"
	if got := s.want(request{method: http.MethodGet, path: "/con/b?comp=tags", as: dataOwner}, 200, ""); !strings.HasSuffix(got.body, want) {
		t.Errorf("got %s, want %s", got.body, want)
	}
	s.advance(60e9)
	s.want(request{method: http.MethodPut, path: "/con/b?comp=tags", as: dataOwner, body: "<Tags><TagSet><Tag><Key>Team</Key><Value>blue</Value></Tag></TagSet></Tags>"}, 204, "")
	head := s.want(request{method: http.MethodHead, path: "/con/b"}, 200, "")
	for name, want := range map[string]string{"x-ms-tag-count": "1", "ETag": put.header.Get("ETag"), "Last-Modified": put.header.Get("Last-Modified")} {
		if head.header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, head.header.Get(name), want)
		}
	}
	list := request{method: http.MethodGet, path: "/con?restype=container&comp=list&include=tags", as: dataOwner}
	if got := s.want(list, 200, ""); !strings.Contains(got.body, "<TagCount>1</TagCount>") || !strings.Contains(got.body, "<Key>Team</Key><Value>blue</Value>") {
		t.Errorf("list: got %s", got.body)
	}
	list.as = contributor
	s.want(list, 403, "AuthorizationPermissionMismatch")
	s.lease("/con/b?comp=lease", "acquire", 201, "", "lease-duration", "-1", "proposed-lease-id", leaseA)
	s.want(request{method: http.MethodPut, path: "/con/b?comp=tags", as: dataOwner, body: "<Tags><TagSet/></Tags>"}, 412, "LeaseIdMissing")
	s.want(request{method: http.MethodPut, path: "/con/b?comp=tags", as: dataOwner, body: "<Tags><TagSet/></Tags>", headers: map[string]string{"x-ms-lease-id": leaseA}}, 204, "")
	if head := s.want(request{method: http.MethodHead, path: "/con/b"}, 200, ""); head.header.Get("x-ms-tag-count") != "" {
		t.Errorf("no tags: got count %q", head.header.Get("x-ms-tag-count"))
	}
}

func TestTagsRefused(t *testing.T) {
	s := start(t, `{}`)
	s.container("con")
	s.upload("/con/b", "x")
	body := func(pairs ...string) string {
		var b strings.Builder
		for i := 0; i < len(pairs); i += 2 {
			b.WriteString("<Tag><Key>" + pairs[i] + "</Key><Value>" + pairs[i+1] + "</Value></Tag>")
		}
		return "<Tags><TagSet>" + b.String() + "</TagSet></Tags>"
	}
	for _, test := range []struct {
		name, path, as, body, header string
		status                       int
		code                         string
	}{
		{"role", "/con/b?comp=tags", contributor, body(), "", 403, "AuthorizationPermissionMismatch"},
		{"header-role", "/con/b", contributor, "", "a=1", 403, "AuthorizationPermissionMismatch"},
		{"characters", "/con/b?comp=tags", dataOwner, body("a", "!"), "", 400, "InvalidTags"},
		{"no-key", "/con/b?comp=tags", dataOwner, body("", "a"), "", 400, "InvalidTags"},
		{"twice", "/con/b?comp=tags", dataOwner, body("a", "1", "a", "2"), "", 400, "InvalidTags"},
		{"many", "/con/b?comp=tags", dataOwner, body(strings.Split("a,1,b,1,c,1,d,1,e,1,f,1,g,1,h,1,i,1,j,1,k,1", ",")...), "", 400, "InvalidTags"},
		{"long", "/con/b?comp=tags", dataOwner, body("a", strings.Repeat("x", 257)), "", 400, "InvalidTags"},
		{"not-xml", "/con/b?comp=tags", dataOwner, "tags", "", 400, "InvalidXmlDocument"},
		{"header", "/con/b", dataOwner, "", "a=%zz", 400, "InvalidHeaderValue"},
		{"header-twice", "/con/b", dataOwner, "", "a=1&a=2", 400, "InvalidTags"},
		{"no-blob", "/con/none?comp=tags", dataOwner, body(), "", 404, "BlobNotFound"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			s.want(request{method: http.MethodPut, path: test.path, as: test.as, body: test.body, headers: map[string]string{
				"x-ms-blob-type": "BlockBlob", "x-ms-tags": test.header,
			}}, test.status, test.code)
		})
	}
	s.t = t
	s.want(request{method: http.MethodGet, path: "/con/b", headers: map[string]string{"x-ms-if-tags": `"a" = '1'`}}, 501, "NotImplemented")
}
