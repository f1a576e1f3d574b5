package webhook

import (
	"cmp"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/inject"
)

// options is the command line, resolved.
type options struct {
	listen, health string
	metrics, pprof string // "" when off
	drain          time.Duration
	tlsMinVersion  uint16
	certs          certOptions
	configuration  string
	events         bool
	kubeconfig     string
	sidecar        string
	logLevel       slog.Level
	logText        bool
	version        bool
	warn           bool // serve inject.WarnPath as well
	inject         inject.Config
}

// Namespace and service of upstream's chart and ours.
const (
	defaultNamespace = "azure-workload-identity-system"
	defaultService   = "aksess-webhook"
)

// raw holds the flags that need more than parsing.
type raw struct {
	options
	metricsBackend string
	tlsMin         string
	logLevel       string
	logFormat      string
	certFlags
	podFlags
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// errUsage marks an error of the command line.
var errUsage = errors.New("see --help")

// parse reads arguments and environment. The error is flag.ErrHelp after the
// usage has been printed.
func parse(args []string, getenv func(string) string, usage io.Writer) (options, error) {
	var r raw
	flags := flag.NewFlagSet("aksess-webhook", flag.ContinueOnError)
	flags.SetOutput(usage)
	r.serving(flags)
	r.certificates(flags)
	r.cluster(flags)
	r.pods(flags)
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q: %w", flags.Arg(0), errUsage)
	}
	if r.version {
		return r.options, nil
	}
	if err := r.resolve(getenv); err != nil {
		return options{}, err
	}
	return r.options, nil
}

func (r *raw) serving(flags *flag.FlagSet) {
	flags.StringVar(&r.listen, "listen", ":9443", "`address` for admission reviews, TLS")
	flags.StringVar(&r.health, "health-addr", ":9440", "`address` for /healthz and /readyz, plain HTTP")
	flags.StringVar(&r.metrics, "metrics-addr", ":8095", "`address` for /metrics, plain HTTP; 0 or empty: none")
	flags.StringVar(&r.metricsBackend, "metrics-backend", "prometheus", "prometheus; no other is known")
	flags.StringVar(&r.pprof, "pprof-addr", "", "`address` for /debug/pprof/, plain HTTP; for this machine's eyes only (default none)")
	flags.DurationVar(&r.drain, "drain-delay", 5*time.Second, "`time` to keep serving, not ready, after SIGTERM")
	flags.StringVar(&r.tlsMin, "tls-min-version", "1.3", "lowest TLS `version`: 1.2 or 1.3")
	flags.StringVar(&r.logLevel, "log-level", "", "`level`: info, debug, trace or all")
	flags.StringVar(&r.logFormat, "log-format", "json", "json or text")
	flags.BoolVar(&r.version, "version", false, "print the version as JSON and end")
}

func (r *raw) cluster(flags *flag.FlagSet) {
	flags.StringVar(&r.kubeconfig, "kubeconfig", "", "`file` that says how to reach the cluster; else KUBECONFIG, else the pod's service account")
	flags.StringVar(&r.configuration, "webhook-configuration", "", "`name` of the webhook's own MutatingWebhookConfiguration: the CA bundle is published there, and read from there before the webhook is ready")
	flags.BoolVar(&r.events, "events", true, "write Kubernetes Events about warnings, if the rights are there")
}

// resolve fills in the environment and checks what no flag type does.
func (r *raw) resolve(getenv func(string) string) error {
	if err := r.resolveServing(getenv); err != nil {
		return err
	}
	r.kubeconfig = cmp.Or(r.kubeconfig, getenv("KUBECONFIG"))
	return r.resolvePods(getenv)
}

func (r *raw) resolveServing(getenv func(string) string) error {
	if r.metrics == "0" { // controller-runtime's word for none
		r.metrics = ""
	}
	if r.metricsBackend != "prometheus" {
		return fmt.Errorf("--metrics-backend has value %q, expected prometheus: %w", r.metricsBackend, errUsage)
	}
	switch r.tlsMin {
	case "1.2":
		r.tlsMinVersion = tls.VersionTLS12
	case "1.3":
		r.tlsMinVersion = tls.VersionTLS13
	default:
		return fmt.Errorf("invalid TLS version %q. Must be one of: 1.2, 1.3: %w", r.tlsMin, errUsage)
	}
	switch strings.ToLower(r.logLevel) {
	case "", "unset", "info":
		r.options.logLevel = slog.LevelInfo
	case "debug", "trace", "all":
		r.options.logLevel = slog.LevelDebug
	default:
		return fmt.Errorf("--log-level has value %q, expected info, debug, trace or all: %w", r.logLevel, errUsage)
	}
	switch r.logFormat {
	case "json", "text":
		r.logText = r.logFormat == "text"
	default:
		return fmt.Errorf("--log-format has value %q, expected json or text: %w", r.logFormat, errUsage)
	}
	return r.resolveCertificates(getenv)
}
