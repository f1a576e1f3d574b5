package queue_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/storage"
)

func TestQueues(t *testing.T) {
	s := start(t, `{}`)
	s.queue("jobs")
	s.want(request{method: http.MethodPut, path: "/jobs"}, 204, "")
	s.want(request{method: http.MethodPut, path: "/jobs", headers: map[string]string{"x-ms-meta-team": "red"}}, 409, "QueueAlreadyExists")
	s.want(request{method: http.MethodPut, path: "/jobs?comp=metadata", headers: map[string]string{"x-ms-meta-team": "red"}}, 204, "")
	s.want(request{method: http.MethodPut, path: "/jobs", headers: map[string]string{"x-ms-meta-team": "red"}}, 204, "")
	s.send("jobs", "one", "")
	s.send("jobs", "two", "visibilitytimeout=60")
	got := s.want(request{method: http.MethodGet, path: "/jobs?comp=metadata"}, 200, "")
	if got.header.Get("x-ms-meta-team") != "red" || got.header.Get("x-ms-approximate-messages-count") != "2" {
		t.Errorf("got headers %v", got.header)
	}
	s.queue("other")
	listed := s.want(request{method: http.MethodGet, path: "/?comp=list&include=metadata&maxresults=1"}, 200, "")
	if !strings.Contains(listed.body, "<Name>jobs</Name><Metadata><team>red</team></Metadata>") || strings.Contains(listed.body, "<Name>other</Name>") {
		t.Errorf("first page: got %s", listed.body)
	}
	_, marker, _ := strings.Cut(listed.body, "<NextMarker>")
	marker, _, _ = strings.Cut(marker, "<")
	if next := s.want(request{method: http.MethodGet, path: "/?comp=list&marker=" + marker}, 200, ""); !strings.Contains(next.body, "<Name>other</Name>") {
		t.Errorf("second page: got %s", next.body)
	}
	s.want(request{method: http.MethodDelete, path: "/jobs"}, 204, "")
	s.want(request{method: http.MethodDelete, path: "/jobs"}, 404, "QueueNotFound")
	s.want(request{method: http.MethodGet, path: "/jobs?comp=metadata"}, 404, "QueueNotFound")
	s.want(request{method: http.MethodHead, path: "/jobs?comp=metadata"}, 404, "QueueNotFound")
}

func TestMessageLife(t *testing.T) {
	s := start(t, `{}`)
	s.queue("jobs")
	sent := s.send("jobs", "hello <&> \"wörld\"\n", "messagettl=3600")
	if sent.InsertionTime != "Tue, 01 Sep 2026 12:00:00 GMT" || sent.ExpirationTime != "Tue, 01 Sep 2026 13:00:00 GMT" ||
		sent.TimeNextVisible != sent.InsertionTime || sent.PopReceipt == "" || sent.MessageText != "" {
		t.Errorf("sent: got %+v", sent)
	}
	for range 2 { // looking changes nothing
		peeked := s.receive("jobs", "peekonly=true")
		if len(peeked) != 1 || peeked[0].MessageText != "hello <&> \"wörld\"\n" || peeked[0].PopReceipt != "" || peeked[0].DequeueCount != "0" {
			t.Fatalf("peeked: got %+v", peeked)
		}
	}
	got := s.receive("jobs", "visibilitytimeout=10")
	if len(got) != 1 || got[0].MessageID != sent.MessageID || got[0].DequeueCount != "1" || got[0].TimeNextVisible != "Tue, 01 Sep 2026 12:00:10 GMT" {
		t.Fatalf("received: got %+v", got)
	}
	if again := s.receive("jobs", ""); len(again) != 0 {
		t.Fatalf("received while invisible: %+v", again)
	}
	if peeked := s.receive("jobs", "peekonly=true"); len(peeked) != 0 {
		t.Fatalf("peeked while invisible: %+v", peeked)
	}
	s.advance(10 * time.Second)
	second := s.receive("jobs", "")
	if len(second) != 1 || second[0].DequeueCount != "2" || second[0].PopReceipt == got[0].PopReceipt {
		t.Fatalf("received again: got %+v", second)
	}
	one := "/jobs/messages/" + sent.MessageID + "?popreceipt="
	s.want(request{method: http.MethodDelete, path: one + got[0].PopReceipt}, 404, "MessageNotFound")
	updated := s.want(request{method: http.MethodPut, path: one + second[0].PopReceipt + "&visibilitytimeout=5", body: envelope("changed")}, 204, "")
	receipt := updated.header.Get("x-ms-popreceipt")
	if receipt == "" || updated.header.Get("x-ms-time-next-visible") != "Tue, 01 Sep 2026 12:00:15 GMT" {
		t.Errorf("updated: got %v", updated.header)
	}
	s.want(request{method: http.MethodDelete, path: one + second[0].PopReceipt}, 404, "MessageNotFound")
	// Without a body the text stays.
	updated = s.want(request{method: http.MethodPut, path: one + url.QueryEscape(receipt) + "&visibilitytimeout=0"}, 204, "")
	if peeked := s.receive("jobs", "peekonly=true"); len(peeked) != 1 || peeked[0].MessageText != "changed" || peeked[0].DequeueCount != "2" {
		t.Errorf("after the update: got %+v", peeked)
	}
	s.want(request{method: http.MethodDelete, path: one + updated.header.Get("x-ms-popreceipt")}, 204, "")
	s.want(request{method: http.MethodDelete, path: one + updated.header.Get("x-ms-popreceipt")}, 404, "MessageNotFound")
}

// TestTextOnTheWire: the parser of the Azure SDK for JavaScript reads named
// entities and no numeric ones; a carriage return has no other form.
func TestTextOnTheWire(t *testing.T) {
	s := start(t, `{}`)
	s.queue("jobs")
	const text = "{\"a\": 'b'}\n\t<&#34;>\r"
	s.send("jobs", text, "")
	got := s.want(request{method: http.MethodGet, path: "/jobs/messages?peekonly=true"}, 200, "")
	const want = "<MessageText>{&quot;a&quot;: &apos;b&apos;}\n\t&lt;&amp;#34;&gt;&#xD;</MessageText>"
	if !strings.Contains(got.body, want) {
		t.Errorf("got %s, want %s in it", got.body, want)
	}
	if m := got.messages(t); m[0].MessageText != text {
		t.Errorf("got %q, want %q", m[0].MessageText, text)
	}
}

func TestOrder(t *testing.T) {
	s := start(t, `{}`)
	s.queue("jobs")
	for i := range 40 {
		s.send("jobs", fmt.Sprint(i), "")
	}
	next := 0
	for _, n := range []int{1, 32, 32} {
		for _, m := range s.receive("jobs", fmt.Sprintf("numofmessages=%d", n)) {
			if m.MessageText != fmt.Sprint(next) {
				t.Fatalf("got message %s, want %d", m.MessageText, next)
			}
			next++
		}
	}
	if next != 40 {
		t.Errorf("got %d messages, want 40", next)
	}
}

func TestExpiry(t *testing.T) {
	s := start(t, `{}`)
	s.queue("jobs")
	for range 50 {
		s.send("jobs", "short", "messagettl=5")
	}
	forever := s.send("jobs", "forever", "messagettl=-1")
	if forever.ExpirationTime != "Fri, 31 Dec 9999 23:59:59 GMT" {
		t.Errorf("got expiry %s", forever.ExpirationTime)
	}
	held := s.receive("jobs", "visibilitytimeout=60")[0]
	s.advance(5 * time.Second)
	if peeked := s.receive("jobs", "peekonly=true"); len(peeked) != 1 || peeked[0].MessageText != "forever" {
		t.Errorf("peeked: got %+v", peeked)
	}
	// A message that expires while it is held is gone for its holder too.
	s.want(request{method: http.MethodDelete, path: "/jobs/messages/" + held.MessageID + "?popreceipt=" + held.PopReceipt}, 404, "MessageNotFound")
	if got := s.receive("jobs", ""); len(got) != 1 || got[0].MessageText != "forever" {
		t.Errorf("received: got %+v", got)
	}
	if got := s.want(request{method: http.MethodGet, path: "/jobs?comp=metadata"}, 200, "").header.Get("x-ms-approximate-messages-count"); got != "2" {
		t.Errorf("count after dropping expired messages: got %s, want 2: the held one and the last", got)
	}
}

func TestClear(t *testing.T) {
	s := start(t, `{}`)
	s.queue("jobs")
	s.send("jobs", "one", "")
	s.send("jobs", "two", "")
	held := s.receive("jobs", "")[0]
	s.want(request{method: http.MethodDelete, path: "/jobs/messages"}, 204, "")
	s.want(request{method: http.MethodDelete, path: "/jobs/messages/" + held.MessageID + "?popreceipt=" + held.PopReceipt}, 404, "MessageNotFound")
	s.advance(time.Hour)
	if got := s.receive("jobs", ""); len(got) != 0 {
		t.Errorf("after clear: got %+v", got)
	}
	if page, err := s.store.List(t.Context(), "storage.message", storeQuery()); err != nil || len(page.Docs) != 0 {
		t.Errorf("the store holds %d messages, %v", len(page.Docs), err)
	}
	s.send("jobs", "three", "")
	if got := s.receive("jobs", ""); len(got) != 1 {
		t.Errorf("after clear and send: got %+v", got)
	}
}

// TestOneWinner: sixteen receivers empty a queue; no message is delivered twice
// within its visibility timeout, and none is lost.
func TestOneWinner(t *testing.T) {
	s := start(t, `{}`)
	s.queue("jobs")
	const messages, receivers = 400, 16
	for i := range messages {
		s.send("jobs", fmt.Sprint(i), "")
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var group sync.WaitGroup
	for range receivers {
		group.Go(func() {
			for {
				got, err := s.try(request{method: http.MethodGet, path: "/jobs/messages?numofmessages=3&visibilitytimeout=600"})
				if err != nil || got.status != 200 {
					t.Errorf("receiving: got %d, %v", got.status, err)
					return
				}
				list := got.messages(t)
				if len(list) == 0 {
					return
				}
				mu.Lock()
				for _, m := range list {
					seen[m.MessageText]++
				}
				mu.Unlock()
				for _, m := range list {
					gone, err := s.try(request{method: http.MethodDelete, path: "/jobs/messages/" + m.MessageID + "?popreceipt=" + m.PopReceipt})
					if err != nil || gone.status != 204 {
						t.Errorf("deleting: got %d, %v", gone.status, err)
					}
				}
			}
		})
	}
	group.Wait()
	for text, times := range seen {
		if times != 1 {
			t.Errorf("message %s was delivered %d times", text, times)
		}
	}
	if len(seen) != messages {
		t.Errorf("got %d messages, want %d", len(seen), messages)
	}
}

// TestOneDeletes: of two holders of one pop receipt, one deletes or updates.
func TestOneDeletes(t *testing.T) {
	s := start(t, `{}`)
	s.queue("jobs")
	for range 30 {
		m := s.send("jobs", "x", "")
		one := "/jobs/messages/" + m.MessageID + "?popreceipt=" + m.PopReceipt
		results := make(chan int, 2)
		go func() {
			got, _ := s.try(request{method: http.MethodDelete, path: one})
			results <- got.status
		}()
		go func() {
			got, _ := s.try(request{method: http.MethodPut, path: one + "&visibilitytimeout=0", body: envelope("y")})
			results <- got.status
		}()
		if a, b := <-results, <-results; a+b != 204+404 {
			t.Fatalf("got %d and %d, want one 204 and one 404", a, b)
		}
	}
}

func TestAccess(t *testing.T) {
	s := start(t, `{}`)
	s.queue("jobs")
	s.queue("others")
	const denied = "AuthorizationPermissionMismatch"
	const all = "/jobs/messages"
	for _, test := range []struct {
		name   string
		as     string
		method string
		path   string
		body   string
		status int
		code   string
	}{
		{"sender-sends", sender, http.MethodPost, all, envelope("x"), 201, ""},
		{"sender-peeks", sender, http.MethodGet, all + "?peekonly=true", "", 403, denied},
		{"sender-receives", sender, http.MethodGet, all, "", 403, denied},
		{"sender-deletes", sender, http.MethodDelete, "ONE", "", 403, denied},
		{"processor-peeks", processor, http.MethodGet, all + "?peekonly=true", "", 200, ""},
		{"processor-receives", processor, http.MethodGet, all, "", 200, ""},
		{"processor-sends", processor, http.MethodPost, all, envelope("x"), 403, denied},
		{"processor-deletes", processor, http.MethodDelete, "ONE", "", 204, ""},
		{"processor-updates", processor, http.MethodPut, "ONE", envelope("y"), 204, ""},
		{"processor-clears", processor, http.MethodDelete, all, "", 403, denied},
		{"reader-peeks", reader, http.MethodGet, all + "?peekonly=true", "", 200, ""},
		{"reader-receives", reader, http.MethodGet, all, "", 403, denied},
		{"reader-receives-loudly", reader, http.MethodGet, all + "?peekonly=false", "", 403, denied},
		{"reader-sends", reader, http.MethodPost, all, envelope("x"), 403, denied},
		{"reader-metadata", reader, http.MethodGet, "/jobs?comp=metadata", "", 200, ""},
		{"reader-lists", reader, http.MethodGet, "/?comp=list", "", 200, ""},
		{"reader-creates", reader, http.MethodPut, "/newone", "", 403, denied},
		{"reader-drops", reader, http.MethodDelete, "/others", "", 403, denied},
		{"reader-sets-metadata", reader, http.MethodPut, "/jobs?comp=metadata", "", 403, denied},
		{"contributor-sends", contributor, http.MethodPost, all, envelope("x"), 201, ""},
		{"contributor-receives", contributor, http.MethodGet, all, "", 200, ""},
		{"contributor-updates", contributor, http.MethodPut, "ONE", envelope("y"), 204, ""},
		{"contributor-deletes", contributor, http.MethodDelete, "ONE", "", 204, ""},
		{"contributor-clears", contributor, http.MethodDelete, all, "", 204, ""},
		{"queue-scope", inQueue, http.MethodGet, all, "", 200, ""},
		{"queue-scope-other", inQueue, http.MethodGet, "/others/messages", "", 403, denied},
		{"queue-scope-escaped", inQueue, http.MethodGet, "/jobs%2Fx/messages", "", 400, "InvalidResourceName"},
		{"owner-lists", owner, http.MethodGet, "/?comp=list", "", 200, ""},
		{"owner-properties", owner, http.MethodGet, "/?restype=service&comp=properties", "", 200, ""},
		{"owner-receives", owner, http.MethodGet, all, "", 403, denied},
		{"owner-peeks", owner, http.MethodGet, all + "?peekonly=true", "", 403, denied},
		{"nobody", nobody, http.MethodGet, all, "", 403, denied},
		{"wrong-audience", elsewhere, http.MethodGet, all, "", 401, "InvalidAuthenticationInfo"},
		{"wrong-tenant", foreign, http.MethodGet, all, "", 401, "InvalidAuthenticationInfo"},
		{"broken-token", "broken", http.MethodGet, all, "", 401, "InvalidAuthenticationInfo"},
		{"no-token", "-", http.MethodGet, all, "", 401, "NoAuthenticationInformation"},
		{"signature", "-", http.MethodGet, all + "?sv=2022-11-02&sig=c2ln", "", 403, "AuthenticationFailed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			path := test.path
			if path == "ONE" {
				m := s.send("jobs", "x", "")
				path = all + "/" + m.MessageID + "?visibilitytimeout=0&popreceipt=" + m.PopReceipt
			}
			s.want(request{method: test.method, path: path, as: test.as, body: test.body}, test.status, test.code)
		})
	}
}

func TestFirewall(t *testing.T) {
	s := start(t, `{"networkAcls":{"defaultAction":"Deny"}}`)
	s.want(request{method: http.MethodGet, path: "/jobs/messages"}, 403, "AuthorizationFailure")
	s = start(t, `{"publicNetworkAccess":"Disabled"}`)
	s.want(request{method: http.MethodGet, path: "/jobs/messages"}, 403, "AuthorizationFailure")
	s = start(t, `{"allowSharedKeyAccess":false}`)
	s.want(request{method: http.MethodGet, path: "/jobs/messages", as: "-", headers: map[string]string{"Authorization": "SharedKey acct:c2ln"}}, 403, "KeyBasedAuthenticationNotPermitted")
}

func TestMalformed(t *testing.T) {
	s := start(t, `{}`)
	s.queue("jobs")
	m := s.send("jobs", "x", "")
	other := s.send("jobs", "y", "")
	one := "/jobs/messages/" + m.MessageID
	// Another nonce in the right form: a changed letter of the text may be none of its alphabet.
	content, err := base64.RawURLEncoding.DecodeString(m.PopReceipt)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	forged := base64.RawURLEncoding.EncodeToString(content)
	const all = "/jobs/messages"
	large := strings.Repeat("x", storage.MaxMessage)
	for _, test := range []struct {
		name   string
		method string
		path   string
		body   string
		status int
		code   string
	}{
		{"short-name", http.MethodPut, "/ab", "", 400, "OutOfRangeInput"},
		{"bad-name", http.MethodPut, "/a_b_c", "", 400, "InvalidResourceName"},
		{"no-queue", http.MethodPost, "/missing/messages", envelope("x"), 404, "QueueNotFound"},
		{"no-queue-receive", http.MethodGet, "/missing/messages", "", 404, "QueueNotFound"},
		{"no-queue-clear", http.MethodDelete, "/missing/messages", "", 404, "QueueNotFound"},
		{"largest", http.MethodPost, all, envelope(large), 201, ""},
		{"too-large", http.MethodPost, all, envelope(large + "x"), 413, "RequestBodyTooLarge"},
		{"far-too-large", http.MethodPost, all, envelope(strings.Repeat(large, 8)), 413, "RequestBodyTooLarge"},
		{"no-body", http.MethodPost, all, "", 400, "InvalidXmlDocument"},
		{"not-xml", http.MethodPost, all, "hello", 400, "InvalidXmlDocument"},
		{"other-xml", http.MethodPost, all, "<Message/>", 400, "InvalidXmlDocument"},
		{"no-text", http.MethodPost, all, "<QueueMessage/>", 400, "InvalidXmlDocument"},
		{"empty-text", http.MethodPost, all, envelope(""), 201, ""},
		{"ttl-zero", http.MethodPost, all + "?messagettl=0", envelope("x"), 400, "OutOfRangeQueryParameterValue"},
		{"ttl-word", http.MethodPost, all + "?messagettl=long", envelope("x"), 400, "InvalidQueryParameterValue"},
		{"hidden-longer-than-ttl", http.MethodPost, all + "?messagettl=5&visibilitytimeout=5", envelope("x"), 400, "InvalidQueryParameterValue"},
		{"hidden-too-long", http.MethodPost, all + "?visibilitytimeout=604801", envelope("x"), 400, "OutOfRangeQueryParameterValue"},
		{"count-zero", http.MethodGet, all + "?numofmessages=0", "", 400, "OutOfRangeQueryParameterValue"},
		{"count-33", http.MethodGet, all + "?numofmessages=33", "", 400, "OutOfRangeQueryParameterValue"},
		{"count-word", http.MethodGet, all + "?numofmessages=many", "", 400, "InvalidQueryParameterValue"},
		{"visible-at-once", http.MethodGet, all + "?visibilitytimeout=0", "", 400, "OutOfRangeQueryParameterValue"},
		{"peek-count", http.MethodGet, all + "?peekonly=true&numofmessages=33", "", 400, "OutOfRangeQueryParameterValue"},
		{"no-receipt", http.MethodDelete, one, "", 400, "MissingRequiredQueryParameter"},
		{"malformed-receipt", http.MethodDelete, one + "?popreceipt=abc", "", 400, "InvalidQueryParameterValue"},
		{"forged-receipt", http.MethodDelete, one + "?popreceipt=" + forged, "", 400, "PopReceiptMismatch"},
		{"receipt-of-another", http.MethodDelete, one + "?popreceipt=" + other.PopReceipt, "", 404, "MessageNotFound"},
		{"update-without-timeout", http.MethodPut, one + "?popreceipt=" + m.PopReceipt, "", 400, "MissingRequiredQueryParameter"},
		{"update-too-long", http.MethodPut, one + "?visibilitytimeout=604801&popreceipt=" + m.PopReceipt, "", 400, "OutOfRangeQueryParameterValue"},
		{"maxresults", http.MethodGet, "/?comp=list&maxresults=0", "", 400, "OutOfRangeQueryParameterValue"},
		{"marker", http.MethodGet, "/?comp=list&marker=%25", "", 400, "InvalidQueryParameterValue"},
		{"unknown-operation", http.MethodGet, "/jobs?comp=stats", "", 501, "NotImplemented"},
		{"unknown-method", http.MethodPut, all, "", 405, "UnsupportedHttpVerb"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			s.want(request{method: test.method, path: test.path, body: test.body}, test.status, test.code)
		})
	}
	s.t = t
	s.want(request{method: http.MethodGet, path: all, host: "nobody.queue.core.windows.net"}, 404, "StorageAccountNotFound")
	s.want(request{method: http.MethodGet, path: all + "?timeout=30", headers: map[string]string{"x-ms-version": "2099-01-01"}}, 200, "")
	s.want(request{method: http.MethodGet, path: all, headers: map[string]string{"x-ms-version": "?"}}, 400, "InvalidHeaderValue")
}
