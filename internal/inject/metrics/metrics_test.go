package metrics

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/inject"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("got %d %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// ours are the series about the webhook, without their values.
func ours(scraped string) []string {
	var series []string
	for line := range strings.SplitSeq(scraped, "\n") {
		if strings.HasPrefix(line, "aksess_") {
			series = append(series, line[:strings.LastIndexByte(line, ' ')])
		}
	}
	return series
}

func sources() Sources {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return Sources{
		Chain:           func() []*x509.Certificate { return []*x509.Certificate{{NotAfter: at}, {NotAfter: at.Add(time.Hour)}} },
		ServiceAccounts: func() (int, int) { return 3, 4 },
		Leads:           func() bool { return true },
	}
}

func TestMetrics(t *testing.T) {
	m := New(sources())
	m.Reviewed(&inject.Reviewed{Outcome: inject.Outcome{Decision: inject.Mutated, Cause: inject.CauseWarned}, Duration: 3 * time.Millisecond, PatchBytes: 900})
	m.Reviewed(&inject.Reviewed{Outcome: inject.Outcome{Decision: inject.Skipped, Cause: inject.CauseNoLabel}})
	m.Warned(&inject.Reviewed{Outcome: inject.Outcome{Decision: inject.Warned, Cause: inject.CauseLabelPlace}, Duration: 30 * time.Millisecond})
	m.LiveRead("found")
	m.Event("dropped")
	got := scrape(t, m)
	for _, want := range []string{
		`aksess_webhook_reviews_total{reason="warned",result="mutated"} 1`,
		`aksess_webhook_reviews_total{reason="no-label",result="skipped"} 1`,
		`aksess_webhook_reviews_total{reason="api-server",result="error"} 0`,
		`aksess_webhook_review_duration_seconds_bucket{result="mutated",le="0.0025"} 0`,
		`aksess_webhook_review_duration_seconds_bucket{result="mutated",le="0.005"} 1`,
		`aksess_webhook_warn_reviews_total{reason="label-place",result="warned"} 1`,
		`aksess_webhook_warn_reviews_total{reason="panic",result="error"} 0`,
		`aksess_webhook_warn_review_duration_seconds_bucket{result="warned",le="0.025"} 0`,
		`aksess_webhook_warn_review_duration_seconds_bucket{result="warned",le="0.05"} 1`,
		`aksess_webhook_patch_bytes_sum 900`, `aksess_webhook_patch_bytes_count 1`,
		`aksess_webhook_certificate_expiry_timestamp_seconds{certificate="serving"} 1.7954352e+09`,
		`aksess_webhook_certificate_expiry_timestamp_seconds{certificate="ca"} 1.7954388e+09`,
		`aksess_webhook_service_accounts{annotated="true"} 3`, `aksess_webhook_service_accounts{annotated="false"} 4`,
		`aksess_webhook_live_reads_total{result="found"} 1`, `aksess_webhook_events_total{result="dropped"} 1`,
		`aksess_webhook_leader 1`, "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got no %s in\n%s", want, got)
		}
	}
}

// TestSeriesAreConstant: what happens in 10,000 namespaces makes no series that
// was not there at the start.
func TestSeriesAreConstant(t *testing.T) {
	m := New(sources())
	before := ours(scrape(t, m))
	for i := range 10_000 {
		seen := &inject.Reviewed{
			Namespace: fmt.Sprint("namespace-", i), Kind: fmt.Sprint("kind-", i), Name: fmt.Sprint("name-", i), ServiceAccount: fmt.Sprint("account-", i),
			Owner: &inject.Owner{Name: fmt.Sprint("owner-", i)}, Warnings: []string{fmt.Sprint("warning ", i)},
		}
		for _, seen.Outcome = range inject.Outcomes() {
			m.Reviewed(seen)
		}
		for _, seen.Outcome = range inject.WarnOutcomes() {
			m.Warned(seen)
		}
		m.LiveRead("found")
		m.Event("written")
	}
	if after := ours(scrape(t, m)); strings.Join(after, "\n") != strings.Join(before, "\n") || len(after) < 50 {
		t.Errorf("got %d series, had %d at the start", len(after), len(before))
	}
}

func TestWithoutSources(t *testing.T) {
	if got := scrape(t, New(Sources{})); strings.Contains(got, "_leader") || strings.Contains(got, "expiry_timestamp") || !strings.Contains(got, "reviews_total") {
		t.Errorf("got %s, want what is known and nothing else", got)
	}
}

// TestDocumented: docs/install.md lists every metric with its labels, and no other.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(aksess_webhook_[^`]*)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = true
	}
	families, err := New(sources()).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		name := family.GetName()
		if !strings.HasPrefix(name, "aksess_") {
			continue
		}
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, label.GetName())
		}
		slices.Reverse(labels) // result before reason
		if len(labels) > 0 {
			name += "{" + strings.Join(labels, ",") + "}"
		}
		if !documented[name] {
			t.Errorf("docs/install.md has no %s", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("docs/install.md has %s, which is no metric", name)
	}
}
