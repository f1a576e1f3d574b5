package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/cluster"
	"github.com/aksess/aksess/internal/inject"
)

// execFlags choose the service account and where it lives.
type execFlags struct {
	namespace  string
	kubeconfig string
	context    string
	cluster    string // of the local Azure
	clientID   string
	tenantID   string
	authority  string
	audience   string
}

func newExec(c *common) *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use:   "exec [-n NAMESPACE] sa/NAME -- COMMAND [ARGUMENT…]",
		Short: "Run a local program as a service account of a cluster",
		Long: `Run a local program as a service account of a cluster: its token is requested as the
kubelet would, written to a file that only you can read and kept valid, and the
variables that the webhook would inject are set. The file is removed at the end.

The cluster is the kubeconfig's, or with --cluster one of the running local Azure.
Against the local Azure, proxy and trust are set as 'aksess run' sets them.

Ends with the program's exit code; signals are passed on to it.`,
		Example: `  aksess exec -n widemo sa/wi-demo-sa -- ./wi-api
  aksess exec --cluster ch-widemo-dev-aks-blue -n widemo sa/wi-demo-sa -- ./wi-api
  aksess exec --context prod -n widemo sa/wi-demo-sa -- az login --service-principal …`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return c.exec(cmd.Context(), f, args[0], args[1:]) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.namespace, "namespace", "n", "", "namespace of the service account (default the kubeconfig context's)")
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig file (default as kubectl)")
	flags.StringVar(&f.context, "context", "", "context of the kubeconfig")
	flags.StringVar(&f.cluster, "cluster", "", "a cluster of the running local Azure, by name, instead of a kubeconfig")
	flags.StringVar(&f.clientID, "client-id", "", "client id of the identity, or its name in annotation client-ids, instead of the service account's annotation client-id")
	flags.StringVar(&f.tenantID, "tenant-id", "", "tenant when the service account names none")
	flags.StringVar(&f.authority, "authority-host", "", "token service (default "+chain.PublicAuthorityHost+")")
	flags.StringVar(&f.audience, "audience", chain.TokenAudience, "audience of the token")
	return cmd
}

func (c *common) exec(ctx context.Context, f execFlags, account string, argv []string) error {
	name, ok := strings.CutPrefix(account, "sa/")
	if !ok {
		name, ok = strings.CutPrefix(account, "serviceaccount/")
	}
	if !ok || name == "" {
		return usageError{fmt.Errorf("%q is not of the form sa/NAME\nSee 'aksess exec --help'", account)}
	}
	if f.cluster != "" && (f.kubeconfig != "" || f.context != "") {
		return usageError{errors.New("--cluster names a cluster of the local Azure: it goes without --kubeconfig and --context\nSee 'aksess exec --help'")}
	}
	// A signal before the program runs must not leave the token behind.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	run, err := c.prepareExec(ctx, f, name)
	if err != nil {
		return &exitError{code: codeFailed, err: cmp.Or(context.Cause(ctx), err)}
	}
	defer run.close()
	for _, warning := range run.warnings {
		fmt.Fprintln(c.env.Stderr, "aksess: warning:", warning)
	}
	fmt.Fprintln(c.env.Stderr, run.line)
	return c.child(ctx, argv, run.environ)
}

// execution is a prepared exec.
type execution struct {
	environ  []string
	warnings []string
	line     string // says which identity runs
	close    func() // stops refreshing and removes the token
}

func (c *common) prepareExec(ctx context.Context, f execFlags, name string) (*execution, error) {
	log, err := c.logger()
	if err != nil {
		return nil, err
	}
	from, local, err := c.connect(ctx, f)
	if err != nil {
		return nil, err
	}
	if f.namespace == "" {
		f.namespace = from.Namespace
	}
	annotations, err := from.ServiceAccount(ctx, f.namespace, name)
	if err != nil {
		return nil, err
	}
	sa := inject.ServiceAccount{Namespace: f.namespace, Name: name, Annotations: annotations}
	if f.cluster == "" && !local.answers(cmp.Or(annotations[chain.AnnotationTenantID], f.tenantID)) {
		local = nil
	}
	variables, warnings, life, err := f.variables(sa, local)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "aksess-exec-") // 0700
	if err != nil {
		return nil, fmt.Errorf("making a folder for the token: %w", err)
	}
	file := &cluster.TokenFile{
		Path: filepath.Join(dir, "azure-identity-token"), Now: time.Now, After: time.After, Log: log,
		Request: func(ctx context.Context) (cluster.Token, error) {
			return from.Token(ctx, f.namespace, name, f.audience, life)
		},
	}
	token, err := file.Write(ctx)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	run := &execution{warnings: warnings}
	run.line = describe(sa, from, local, variables, token)
	run.environ, err = c.execEnviron(local, variables, file.Path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	run.warnings = append(run.warnings, strayCredentials(c.env.Environ)...)
	run.close = keep(file, token, dir)
	return run, nil
}

// keep refreshes the token in the background until end, which removes it. A
// request under way is given up.
func keep(file *cluster.TokenFile, token cluster.Token, dir string) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		file.Keep(ctx, token)
	}()
	return func() {
		cancel()
		<-done
		_ = os.RemoveAll(dir)
	}
}

// variables are what the webhook would inject, and the token's life.
func (f execFlags) variables(sa inject.ServiceAccount, local *running) ([]inject.EnvVar, []string, time.Duration, error) {
	annotations := map[string]string{}
	for name, value := range sa.Annotations {
		annotations[name] = value
	}
	if f.clientID != "" {
		clientID, err := f.chosenClient(sa)
		if err != nil {
			return nil, nil, 0, err
		}
		annotations[chain.AnnotationClientID] = clientID
	}
	sa.Annotations = annotations
	config := inject.Config{TenantID: f.tenantID, AuthorityHost: f.authority, Audience: f.audience}
	if config.TenantID == "" && local != nil {
		config.TenantID = local.TenantID
	}
	if err := config.Validate(); err != nil {
		return nil, nil, 0, err
	}
	variables, warnings, err := inject.Environment(sa, config)
	if err != nil {
		return nil, nil, 0, err
	}
	seconds := int64(chain.DefaultTokenExpiration)
	if text := annotations[chain.AnnotationTokenExpiration]; text != "" {
		seconds, err = strconv.ParseInt(text, 10, 64)
		if err != nil || seconds < chain.MinTokenExpiration || seconds > chain.MaxTokenExpiration {
			return nil, nil, 0, fmt.Errorf("annotation %s of service account %s/%s is %q; it must be between %d and %d seconds",
				chain.AnnotationTokenExpiration, sa.Namespace, sa.Name, text, chain.MinTokenExpiration, chain.MaxTokenExpiration)
		}
	}
	return variables, warnings, time.Duration(seconds) * time.Second, nil
}

// chosenClient is what --client-id says: a client id, or the name of one of the
// service account's identities.
func (f execFlags) chosenClient(sa inject.ServiceAccount) (string, error) {
	if chain.IsGUID(f.clientID) {
		return f.clientID, nil
	}
	identities, err := inject.Identities(sa)
	if err != nil {
		return "", err
	}
	var names []string
	for _, identity := range identities {
		if identity.Name != "" && identity.Name == f.clientID {
			return identity.ClientID, nil
		}
		names = append(names, identity.Name)
	}
	return "", fmt.Errorf("--client-id has value %q: expected a GUID, or one of the names in annotation %s of service account %s/%s: %q",
		f.clientID, chain.AnnotationClientIDs, sa.Namespace, sa.Name, slices.DeleteFunc(names, func(name string) bool { return name == "" }))
}

// execEnviron is this process's environment with the injected variables, and
// the local Azure's when it is the one that answers.
func (c *common) execEnviron(local *running, injected []inject.EnvVar, tokenFile string) ([]string, error) {
	var variables []variable
	if local != nil {
		files, err := local.files()
		if err != nil {
			return nil, err
		}
		noProxy, _ := c.noProxy()
		variables = clientEnvironment(files, noProxy)
	}
	for _, v := range injected {
		if v.Name == chain.EnvFederatedTokenFile {
			v.Value = tokenFile
		}
		variables = append(variables, variable{Name: v.Name, Value: v.Value})
	}
	return withVariables(c.env.Environ, variables), nil
}

func describe(sa inject.ServiceAccount, from *cluster.Cluster, local *running, variables []inject.EnvVar, token cluster.Token) string {
	clientID, tenantID := "none", "none"
	for _, v := range variables {
		switch v.Name {
		case chain.EnvClientID:
			clientID = v.Value
		case chain.EnvTenantID:
			tenantID = v.Value
		}
	}
	where := "Azure"
	if local != nil {
		where = "the local Azure at " + local.ProxyURL
	}
	return fmt.Sprintf("aksess: running as service account %s/%s of cluster %q: client id %s, tenant %s, on %s; token until %s, kept fresh",
		sa.Namespace, sa.Name, from.Name, clientID, tenantID, where, token.Expires.Local().Format(time.RFC3339))
}
