package proxy

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/imds/federated"
	"github.com/aksess/aksess/internal/imds/node"
	"github.com/aksess/aksess/internal/imds/redirect"
)

// options is the command line of the proxy, resolved.
type options struct {
	port     int
	probe    bool
	within   time.Duration // of a probe
	version  bool
	logLevel slog.Level
	logText  bool
	pass     []node.Rule
	metadata []netip.AddrPort // at least one
	secret   string
	tokens   federated.Config

	endWith  []string // containers; the proxy ends after them
	restarts bool     // they are started again
}

// Defaults of upstream's proxy and init image.
const (
	defaultMetadataIP   = "169.254.169.254"
	defaultMetadataPort = 80
	defaultUID          = 1501
)

// errUsage marks an error of the command line.
var errUsage = errors.New("see --help")

const usageText = `aksess-proxy answers for Azure's metadata service in a pod.

  aksess-proxy [flags]            serve on loopback until SIGTERM, or with --end-with until other containers have ended
  aksess-proxy --probe [flags]    wait until a proxy on the port is ready
  aksess-proxy init               send the pod's requests for the metadata service to the proxy; needs NET_ADMIN

Flags:
`

const usageVariables = `
Variables of the proxy, as the webhook sets them:
  AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE      required
  AZURE_CLIENT_ID                                  of requests without a client_id
  AZURE_AUTHORITY_HOST                             https://login.microsoftonline.com/ unless set
  AZURE_KUBERNETES_TOKEN_PROXY, _SNI_NAME, _CA_FILE or _CA_DATA
                                                   AKS's token proxy, for identity bindings
  IDENTITY_HEADER                                  serves App Service's protocol at /msi/token, with this secret
  HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE             count on the way to the token service only

Variables of init, and of the proxy where it has to know the same:
  METADATA_IP (169.254.169.254; several with commas), METADATA_PORT (80), PROXY_PORT (8000), PROXY_UID (1501; "none" exempts nobody, with --pass=none)
`

// parse reads arguments and environment. The error is flag.ErrHelp after the
// usage has been printed.
func parse(args []string, getenv func(string) string, usage io.Writer) (options, error) {
	var o options
	var pass, level, format, endWith string
	flags := flag.NewFlagSet("aksess-proxy", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.Usage = func() {
		_, _ = io.WriteString(usage, usageText)
		flags.PrintDefaults()
		_, _ = io.WriteString(usage, usageVariables)
	}
	flags.IntVar(&o.port, "proxy-port", chain.DefaultProxyPort, "loopback `port` to serve")
	flags.BoolVar(&o.probe, "probe", false, "wait until the proxy on the port is ready: exit code 0, or 1 if it is not within --probe-within")
	flags.DurationVar(&o.within, "probe-within", 15*time.Second, "`time` that a probe waits")
	flags.StringVar(&pass, "pass", "", "`paths` of the node's metadata service that pass, with commas between them, \"POST \" in front of one that is written to; \"none\" for none (default "+defaultPass()+")")
	flags.StringVar(&endWith, "end-with", "", "`containers` of the pod, with commas between them, after whose end the proxy ends, with exit code 0; the pod needs shareProcessNamespace")
	flags.BoolVar(&o.restarts, "end-with-restarts", false, "those containers are started again when they fail: wait for as long as the kubelet may take to")
	flags.StringVar(&level, "log-level", "info", "`level`: error, warn, info, debug, trace or all")
	flags.StringVar(&format, "log-format", "json", "json or text")
	flags.BoolVar(&o.version, "version", false, "print the version as JSON and end")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q: %w", flags.Arg(0), errUsage)
	}
	if o.port < 1 || o.port > 65535 {
		return options{}, fmt.Errorf("--proxy-port has value %d, expected 1 to 65535: %w", o.port, errUsage)
	}
	if endWith != "" {
		o.endWith = strings.Split(endWith, ",")
	}
	if slices.Contains(o.endWith, "") || o.restarts && endWith == "" {
		return options{}, fmt.Errorf("--end-with has value %q, expected names of containers with commas between them: %w", endWith, errUsage)
	}
	if err := o.logging(level, format); err != nil {
		return options{}, err
	}
	if o.version || o.probe {
		return o, nil
	}
	return o, o.resolve(getenv, pass)
}

func defaultPass() string {
	var paths []string
	for _, rule := range node.DefaultRules() {
		paths = append(paths, rule.Path)
	}
	return strings.Join(paths, ",")
}

func (o *options) logging(level, format string) error {
	switch strings.ToLower(level) {
	case "", "unset", "info":
		o.logLevel = slog.LevelInfo
	case "error":
		o.logLevel = slog.LevelError
	case "warn", "warning":
		o.logLevel = slog.LevelWarn
	case "debug", "trace", "all":
		o.logLevel = slog.LevelDebug
	default:
		return fmt.Errorf("--log-level has value %q, expected error, warn, info, debug, trace or all: %w", level, errUsage)
	}
	if format != "json" && format != "text" {
		return fmt.Errorf("--log-format has value %q, expected json or text: %w", format, errUsage)
	}
	o.logText = format == "text"
	return nil
}

// resolve reads what serving needs.
func (o *options) resolve(getenv func(string) string, pass string) (err error) {
	o.pass = node.DefaultRules()
	if pass != "" {
		if o.pass, err = node.ParseRules(pass); err != nil {
			return fmt.Errorf("--pass: %w", err)
		}
	}
	if o.metadata, err = metadata(getenv); err != nil {
		return err
	}
	o.secret = getenv("IDENTITY_HEADER")
	o.tokens = federated.Config{
		TenantID: getenv(chain.EnvTenantID), ClientID: getenv(chain.EnvClientID), TokenFile: getenv(chain.EnvFederatedTokenFile),
		Authority: cmp.Or(getenv(chain.EnvAuthorityHost), chain.PublicAuthorityHost),
	}
	for _, required := range []struct{ name, value string }{{chain.EnvTenantID, o.tokens.TenantID}, {chain.EnvFederatedTokenFile, o.tokens.TokenFile}} {
		if required.value == "" {
			return fmt.Errorf("%s not set: the webhook sets it in pods with the label %s: \"true\"", required.name, chain.LabelUse)
		}
	}
	o.tokens.Binding, err = binding(getenv)
	return err
}

// binding reads the variables of AKS's identity bindings, with the errors of Azure's SDKs.
func binding(getenv func(string) string) (*federated.Binding, error) {
	const prefix = "AZURE_KUBERNETES_"
	b := federated.Binding{
		URL: getenv(prefix + "TOKEN_PROXY"), ServerName: getenv(prefix + "SNI_NAME"),
		CAFile: getenv(prefix + "CA_FILE"), CAData: []byte(getenv(prefix + "CA_DATA")),
	}
	switch {
	case b.URL == "" && (b.ServerName != "" || b.CAFile != "" || len(b.CAData) > 0):
		return nil, errors.New("AZURE_KUBERNETES_TOKEN_PROXY is not set but other custom endpoint-related environment variables are present")
	case b.URL == "":
		return nil, nil
	case b.CAFile != "" && len(b.CAData) > 0:
		return nil, errors.New("only one of AZURE_KUBERNETES_CA_FILE and AZURE_KUBERNETES_CA_DATA can be specified")
	}
	return &b, nil
}

// metadata reads where the metadata service is.
func metadata(getenv func(string) string) ([]netip.AddrPort, error) {
	port, err := number(getenv, "METADATA_PORT", defaultMetadataPort, 1<<16-1)
	if err != nil {
		return nil, err
	}
	var found []netip.AddrPort
	for text := range strings.SplitSeq(cmp.Or(getenv("METADATA_IP"), defaultMetadataIP), ",") {
		address, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("METADATA_IP has value %q, expected IP addresses with commas between them: %w", getenv("METADATA_IP"), errUsage)
		}
		found = append(found, netip.AddrPortFrom(address, uint16(port)))
	}
	return found, nil
}

// number reads a whole number, at least 1.
func number(getenv func(string) string, name string, unset, most uint64) (uint64, error) {
	text := getenv(name)
	if text == "" {
		return unset, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s has value %q, expected 1 to %d: %w", name, text, most, errUsage)
	}
	return n, nil
}

// parseInit reads the environment of the init step.
func parseInit(args []string, getenv func(string) string) (redirect.Rules, error) {
	if len(args) > 0 {
		return redirect.Rules{}, fmt.Errorf("init takes no arguments, got %q: %w", args[0], errUsage)
	}
	found, err := metadata(getenv)
	if err != nil {
		return redirect.Rules{}, err
	}
	to, err := number(getenv, "PROXY_PORT", chain.DefaultProxyPort, 1<<16-1)
	if err != nil {
		return redirect.Rules{}, err
	}
	rules := redirect.Rules{Port: found[0].Port(), ToPort: uint16(to)}
	if getenv("PROXY_UID") != "none" {
		uid, err := number(getenv, "PROXY_UID", defaultUID, 1<<32-2)
		if err != nil {
			return redirect.Rules{}, err
		}
		exempt := uint32(uid)
		rules.ExemptUID = &exempt
	}
	for _, at := range found {
		rules.Addresses = append(rules.Addresses, at.Addr())
	}
	return rules, rules.Validate()
}
