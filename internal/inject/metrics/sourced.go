package metrics

import "github.com/prometheus/client_golang/prometheus"

// sourced collects what is asked for at each scrape.
type sourced struct{ Sources }

type descriptions struct{ expiry, accounts, leader *prometheus.Desc }

func describe() descriptions {
	return descriptions{
		expiry: prometheus.NewDesc("aksess_webhook_certificate_expiry_timestamp_seconds",
			"When the certificate expires that API servers last accepted, and the authority behind it.", []string{"certificate"}, nil),
		accounts: prometheus.NewDesc("aksess_webhook_service_accounts",
			"Service accounts in the cache, with annotations for workload identity and without.", []string{"annotated"}, nil),
		leader: prometheus.NewDesc("aksess_webhook_leader", "Whether this replica writes the certificates.", nil, nil),
	}
}

// Describe implements [prometheus.Collector].
func (sourced) Describe(to chan<- *prometheus.Desc) {
	d := describe()
	to <- d.expiry
	to <- d.accounts
	to <- d.leader
}

// Collect implements [prometheus.Collector].
func (s sourced) Collect(to chan<- prometheus.Metric) {
	d := describe()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	if s.Chain != nil {
		if chain := s.Chain(); len(chain) > 0 {
			gauge(d.expiry, float64(chain[0].NotAfter.Unix()), "serving")
			gauge(d.expiry, float64(chain[len(chain)-1].NotAfter.Unix()), "ca")
		}
	}
	if s.ServiceAccounts != nil {
		annotated, plain := s.ServiceAccounts()
		gauge(d.accounts, float64(annotated), "true")
		gauge(d.accounts, float64(plain), "false")
	}
	if s.Leads != nil {
		leads := 0.0
		if s.Leads() {
			leads = 1
		}
		gauge(d.leader, leads)
	}
}
