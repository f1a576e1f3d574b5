package webhook

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/aksess/aksess/internal/inject"
	"github.com/aksess/aksess/internal/inject/kube"
	"github.com/aksess/aksess/internal/inject/metrics"
)

// serving is the certificate of the listener: [inject.Certificates],
// [inject.KeyPairFiles] or [kube.ServingSecret].
type serving interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Ready() error
	Run(ctx context.Context)
}

// program is the webhook put together.
type program struct {
	opts          options
	log           *slog.Logger
	client        *kube.Client
	accounts      *kube.ServiceAccounts
	sidecars      *kube.Sidecars
	configuration *kube.Configuration // nil without --webhook-configuration
	serving       serving
	rotation      func(context.Context) // makes the certificates that this process serves or leads; nil if it does neither
	acceptance    *inject.Acceptance    // nil when nothing is known of what API servers trust
	leader        *kube.Leader          // nil without --cert-source=secret
	metrics       *metrics.Metrics
	events        *kube.Events // nil without --events
	draining      atomic.Bool

	look   inject.Bell // for who makes certificates
	accept inject.Bell // for acceptance
}

func newProgram(opts options, version string, log *slog.Logger) (*program, error) {
	client, err := kube.NewClient(opts.kubeconfig, "aksess-webhook/"+version)
	if err != nil {
		return nil, err
	}
	p := &program{opts: opts, log: log, client: client, look: inject.NewBell(), accept: inject.NewBell()}
	if opts.configuration != "" {
		p.configuration = &kube.Configuration{Client: client, Name: opts.configuration, Log: log, Changed: func() {
			p.look.Ring()
			p.accept.Ring()
		}}
	}
	p.certify()
	p.measure()
	p.accounts = kube.NewServiceAccounts(client.Metadata, func(r kube.LiveRead) { p.metrics.LiveRead(string(r)) }, log)
	if opts.events {
		p.events = kube.NewEvents(client, opts.certs.replica, func(r kube.EventResult) { p.metrics.Event(string(r)) }, log)
	}
	if p.sidecars, err = kube.NewSidecars(client, log); err != nil {
		return nil, err
	}
	return p, nil
}

// certify chooses where the certificate comes from, and where API servers' trust.
func (p *program) certify() {
	var own func() []byte // bundle of our own authorities, for want of a configuration
	certs := p.opts.certs
	switch certs.source {
	case certGiven:
		p.serving = inject.KeyPairFiles{
			KeyPair:  &inject.KeyPair{Changed: p.accept.Ring, Log: p.log},
			CertFile: filepath.Join(certs.dir, "tls.crt"), KeyFile: filepath.Join(certs.dir, "tls.key"),
		}
	case certSecret:
		secrets := &kube.Secrets{Client: p.client, Namespace: certs.namespace, Authority: certs.caSecret, Serving: certs.tlsSecret, Log: p.log}
		served := &kube.ServingSecret{KeyPair: &inject.KeyPair{Log: p.log}, Secrets: secrets, Seen: func() {
			p.look.Ring()
			p.accept.Ring()
		}}
		p.serving, own = served, served.Bundle
		p.leader = &kube.Leader{Client: p.client, Namespace: certs.namespace, Name: certs.lease, Identity: certs.replica + "_" + rand.Text(), Duration: certs.leaseTerm, Log: p.log}
		p.rotation = func(ctx context.Context) { p.leader.Run(ctx, func(ctx context.Context) { p.lead(ctx, secrets) }) }
	default:
		var store inject.CertificateStore
		if certs.source == certFiles {
			store = inject.FileCertificates{Dir: certs.dir}
		}
		made := p.newCertificates(store, "")
		p.serving, own = made, made.Bundle
	}
	p.acceptance = p.newAcceptance(own)
}

func (p *program) newCertificates(store inject.CertificateStore, shared string) *inject.Certificates {
	config := inject.CertificatesConfig{
		Names: p.opts.certs.names, Lives: p.opts.certs.lives, Store: store, SharedStore: shared,
		Look: p.look, Changed: p.accept.Ring, Log: p.log,
	}
	if p.configuration != nil {
		config.Publish = p.configuration.Publish
	}
	return inject.NewCertificates(config)
}

// lead makes the certificates for all replicas, as long as this one leads.
func (p *program) lead(ctx context.Context, secrets *kube.Secrets) {
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { secrets.WatchAuthority(ctx, p.look.Ring) })
	p.newCertificates(secrets, "secret "+secrets.Namespace+"/"+secrets.Authority).Run(ctx)
}

func (p *program) newAcceptance(own func() []byte) *inject.Acceptance {
	a := &inject.Acceptance{
		ServerName: p.opts.certs.names[0], Look: p.accept, Log: p.log,
		Serving: func() (*tls.Certificate, error) { return p.serving.GetCertificate(nil) },
	}
	switch {
	case p.configuration != nil:
		a.Published = p.configuration.Published
	case own != nil:
		a.Published = func() ([][]byte, error) { return [][]byte{own()}, nil }
	default:
		return nil
	}
	return a
}

func (p *program) measure() {
	sources := metrics.Sources{ServiceAccounts: func() (int, int) { return p.accounts.Count() }}
	if p.acceptance != nil {
		sources.Chain = p.acceptance.Chain
	}
	if p.leader != nil {
		sources.Leads = p.leader.Leads
	}
	p.metrics = metrics.New(sources)
}

// tasks run as long as the servers.
func (p *program) tasks() []func(context.Context) {
	tasks := []func(context.Context){p.serving.Run, p.accounts.Run}
	if p.opts.sidecar == "auto" {
		tasks = append(tasks, p.sidecars.Run)
	}
	if p.configuration != nil {
		tasks = append(tasks, p.configuration.Run)
	}
	if p.events != nil {
		tasks = append(tasks, p.events.Run)
	}
	if p.rotation != nil {
		tasks = append(tasks, p.rotation)
	}
	return tasks
}

func (p *program) handler() *inject.Handler {
	return inject.NewHandler(p.reviewing(p.metrics.Reviewed))
}

// reviewing is what both webhooks decide with. Counted takes a review down.
func (p *program) reviewing(counted func(*inject.Reviewed)) inject.HandlerConfig {
	return inject.HandlerConfig{
		Pods: p.config, Accounts: p.accounts, Excluded: []string{"kube-system", p.opts.certs.namespace}, Log: p.log,
		Observe: func(r *inject.Reviewed) {
			counted(r)
			if p.events != nil {
				p.events.Reviewed(r)
			}
		},
	}
}

func (p *program) ready() error {
	if p.draining.Load() {
		return errors.New("shutting down")
	}
	if err := p.serving.Ready(); err != nil {
		return err
	}
	if err := p.accounts.Ready(); err != nil {
		return err
	}
	if p.acceptance != nil {
		return p.acceptance.Ready()
	}
	return nil
}

// config is the configuration of the moment: the cluster may be upgraded.
func (p *program) config() inject.Config {
	config := p.opts.inject
	if p.opts.sidecar == "auto" {
		config.Proxy.Classic = !p.sidecars.Native()
	}
	return config
}
