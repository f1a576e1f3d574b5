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
	reviews   *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	patch     prometheus.Histogram
	liveReads *prometheus.CounterVec
	events    *prometheus.CounterVec
}

// New returns metrics in a registry of their own, every series of them at zero.
func New(sources Sources) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aksess_webhook_reviews_total", Help: "Admission reviews by result and the reason for it.",
		}, []string{"result", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "aksess_webhook_review_duration_seconds", Help: "Time from the request to the answer.",
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 2.5},
		}, []string{"result"}),
		patch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aksess_webhook_patch_bytes", Help: "Size of the patches for pods that were mutated.",
			Buckets: prometheus.ExponentialBuckets(256, 2, 8),
		}),
		liveReads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aksess_webhook_live_reads_total", Help: "Service accounts read from the API server because the cache had no client id for them.",
		}, []string{"result"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aksess_webhook_events_total", Help: "Kubernetes Events about pods with warnings: written, failed, or left out because there were too many.",
		}, []string{"result"}),
	}
	m.registry.MustRegister(m.reviews, m.duration, m.patch, m.liveReads, m.events, sourced{sources},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.zero()
	return m
}

// zero makes every series, so that a first error is an increase.
func (m *Metrics) zero() {
	for _, outcome := range inject.Outcomes() {
		m.reviews.WithLabelValues(string(outcome.Decision), string(outcome.Cause))
		m.duration.WithLabelValues(string(outcome.Decision))
	}
	for _, result := range []string{"found", "absent", "error"} {
		m.liveReads.WithLabelValues(result)
	}
	for _, result := range []string{"written", "error", "dropped"} {
		m.events.WithLabelValues(result)
	}
}

// Reviewed takes down one review.
func (m *Metrics) Reviewed(r *inject.Reviewed) {
	m.reviews.WithLabelValues(string(r.Decision), string(r.Cause)).Inc()
	m.duration.WithLabelValues(string(r.Decision)).Observe(r.Duration.Seconds())
	if r.Decision == inject.Mutated {
		m.patch.Observe(float64(r.PatchBytes))
	}
}

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
