package signature_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/storage/signature"
)

// TestClientsSharedAccess verifies shared access signatures as azure-storage-blob
// 12 and azure-storage-queue 12 for Python sign them.
func TestClientsSharedAccess(t *testing.T) {
	data, err := os.ReadFile("testdata/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Key        string
		Signatures []struct{ Name, Kind, Query, Resource string }
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(file.Key)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range file.Signatures {
		t.Run(strings.ReplaceAll(test.Name, " ", "-"), func(t *testing.T) {
			sas := signature.ParseSAS(test.Query)
			if !sas.Supported() {
				t.Fatalf("sv %q is not supported", sas["sv"])
			}
			if text := textOf(sas, test.Kind, test.Resource); !signature.Verify(key, []string{text}, sas["sig"]) {
				t.Errorf("the client's signature is not of %q", text)
			}
		})
	}
}

func textOf(sas signature.SAS, kind, resource string) string {
	switch kind {
	case "account":
		return sas.AccountText("myaccount")
	case "queue":
		return sas.QueueText(resource)
	case "delegated":
		return sas.DelegatedText(resource, "")
	}
	return sas.BlobText(resource, "")
}

// TestTextsByVersion: which fields each version signs, as the pages of the
// three kinds list them.
func TestTextsByVersion(t *testing.T) {
	const query = "sp=r&st=S&se=E&si=I&sip=P&spr=https&sr=b&ses=X&rscc=1&rscd=2&rsce=3&rscl=4&rsct=5&ss=b&srt=o" +
		"&skoid=o&sktid=t&skt=a&ske=z&sks=b&skv=v&saoid=u&suoid=w&scid=c&skdutid=k&sduoid=d&srh=h&srq=q&sv="
	const head = "\nhttps\n"
	for _, test := range []struct{ version, kind, want string }{
		{"2018-03-28", "blob", "r\nS\nE\nR\nI\nP" + head + "2018-03-28\n1\n2\n3\n4\n5"},
		{"2019-12-12", "blob", "r\nS\nE\nR\nI\nP" + head + "2019-12-12\nb\n\n1\n2\n3\n4\n5"},
		{"2022-11-02", "blob", "r\nS\nE\nR\nI\nP" + head + "2022-11-02\nb\n\nX\n1\n2\n3\n4\n5"},
		{"2022-11-02", "queue", "r\nS\nE\nR\nI\nP" + head + "2022-11-02"},
		{"2019-12-12", "account", "myaccount\nr\nb\no\nS\nE\nP" + head + "2019-12-12\n"},
		{"2022-11-02", "account", "myaccount\nr\nb\no\nS\nE\nP" + head + "2022-11-02\nX\n"},
		{"2018-11-09", "delegated", "r\nS\nE\nR\no\nt\na\nz\nb\nv\nP" + head + "2018-11-09\nb\n\n1\n2\n3\n4\n5"},
		{"2020-02-10", "delegated", "r\nS\nE\nR\no\nt\na\nz\nb\nv\nu\nw\nc\nP" + head + "2020-02-10\nb\n\n1\n2\n3\n4\n5"},
		{"2020-12-06", "delegated", "r\nS\nE\nR\no\nt\na\nz\nb\nv\nu\nw\nc\nP" + head + "2020-12-06\nb\n\nX\n1\n2\n3\n4\n5"},
		{"2025-07-05", "delegated", "r\nS\nE\nR\no\nt\na\nz\nb\nv\nu\nw\nc\nk\nd\nP" + head + "2025-07-05\nb\n\nX\n1\n2\n3\n4\n5"},
		{"2026-04-06", "delegated", "r\nS\nE\nR\no\nt\na\nz\nb\nv\nu\nw\nc\nk\nd\nP" + head + "2026-04-06\nb\n\nX\nh\nq\n1\n2\n3\n4\n5"},
	} {
		t.Run(test.kind+"-"+test.version, func(t *testing.T) {
			if got := textOf(signature.ParseSAS(query+test.version), test.kind, "R"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	for _, version := range []string{"", "2014-02-14", "2015-04-5", "tomorrow!!"} {
		if signature.ParseSAS("sv=" + version).Supported() {
			t.Errorf("version %q: got supported, want not", version)
		}
	}
}

// FuzzSAS: no query makes a signature verify that was not made for it.
func FuzzSAS(f *testing.F) {
	f.Add("sv=2022-11-02&sr=b&sp=r&se=2026-01-01&sig=AAAA")
	f.Add("sv=2026-04-06&sig=%zz&sig=2&SKOID=1&=")
	f.Fuzz(func(t *testing.T, query string) {
		sas := signature.ParseSAS(query)
		for _, kind := range []string{"account", "blob", "queue", "delegated"} {
			if signature.Verify([]byte("secret"), []string{textOf(sas, kind, "R")}, sas["sig"]) {
				t.Fatalf("%q verifies as %s", query, kind)
			}
		}
	})
}
