// Package metrics counts what the webhook does, for Prometheus. It is told of
// reviews by hooks and asks for the rest when it is scraped, so that inject and
// inject/kube need not know of it.
//
// No series is about a namespace, a service account or a pod: their number is
// the same in a cluster of any size.
package metrics

import (
	"crypto/x509"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/aksess/aksess/internal/inject"
)

// Sources are asked at each scrape. All may be nil.
type Sources struct {
	Chain           func() []*x509.Certificate    // of the serving certificate, the authority last; may return none
	ServiceAccounts func() (annotated, plain int) // in the cache
	Leads           func() bool                   // whether this replica writes the certificates
}

// Metrics are the webhook's. Its methods may be called at the same time.
type Metrics struct {
	registry  *prometheus.Registry
	reviews   reviews // of new pods
	warnings  reviews // of what is only warned about
	patch     prometheus.Histogram
	liveReads *prometheus.CounterVec
	events    *prometheus.CounterVec
}

// reviews are the requests of one webhook.
type reviews struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// newReviews returns metrics whose names begin so, every series of them at zero.
func newReviews(prefix, what string, outcomes []inject.Outcome) reviews {
	r := reviews{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "reviews_total", Help: what + " by result and the reason for it.",
		}, []string{"result", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "review_duration_seconds", Help: what + ": time from the request to the answer.",
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 2.5},
		}, []string{"result"}),
	}
	for _, outcome := range outcomes {
		r.total.WithLabelValues(string(outcome.Decision), string(outcome.Cause))
		r.duration.WithLabelValues(string(outcome.Decision))
	}
	return r
}

func (r reviews) observe(seen *inject.Reviewed) {
	r.total.WithLabelValues(string(seen.Decision), string(seen.Cause)).Inc()
	r.duration.WithLabelValues(string(seen.Decision)).Observe(seen.Duration.Seconds())
}

// New returns metrics in a registry of their own, every series of them at zero.
func New(sources Sources) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		reviews:  newReviews("aksess_webhook_", "Admission reviews", inject.Outcomes()),
		warnings: newReviews("aksess_webhook_warn_", "Reviews by the webhook that only warns", inject.WarnOutcomes()),
		patch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aksess_webhook_patch_bytes", Help: "Size of the patches for pods that were mutated.",
			Buckets: prometheus.ExponentialBuckets(256, 2, 8),
		}),
		liveReads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aksess_webhook_live_reads_total", Help: "Service accounts read from the API server because the cache had no client id for them.",
		}, []string{"result"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aksess_webhook_events_total", Help: "Kubernetes Events about pods and objects with warnings: written, failed, or left out because there were too many.",
		}, []string{"result"}),
	}
	m.registry.MustRegister(m.reviews.total, m.reviews.duration, m.warnings.total, m.warnings.duration, m.patch, m.liveReads, m.events, sourced{sources},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.zero()
	return m
}

// zero makes every series, so that a first error is an increase.
func (m *Metrics) zero() {
	for _, result := range []string{"found", "absent", "error"} {
		m.liveReads.WithLabelValues(result)
	}
	for _, result := range []string{"written", "error", "dropped"} {
		m.events.WithLabelValues(result)
	}
}

// Reviewed takes down a review of a new pod.
func (m *Metrics) Reviewed(r *inject.Reviewed) {
	m.reviews.observe(r)
	if r.Decision == inject.Mutated {
		m.patch.Observe(float64(r.PatchBytes))
	}
}

// Warned takes down a review by the webhook that only warns.
func (m *Metrics) Warned(r *inject.Reviewed) { m.warnings.observe(r) }

// LiveRead takes down a read of a service account: found, absent or error.
func (m *Metrics) LiveRead(result string) { m.liveReads.WithLabelValues(result).Inc() }

// Event takes down an Event: written, error or dropped.
func (m *Metrics) Event(result string) { m.events.WithLabelValues(result).Inc() }

// Handler answers GET /metrics.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	return mux
}
