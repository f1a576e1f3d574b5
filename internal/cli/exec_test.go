//go:build unix

package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const (
	testClient = "33333333-3333-3333-3333-333333333333"
	testTenant = "22222222-2222-2222-2222-222222222222"
)

// execCluster is an API server with one service account, whose kubeconfig is in
// a file.
type execCluster struct {
	kubeconfig string
	onToken    func(r *http.Request) // called before a token is given
}

func startExecCluster(t *testing.T, annotations string) *execCluster {
	t.Helper()
	cluster := &execCluster{kubeconfig: filepath.Join(t.TempDir(), "config"), onToken: func(*http.Request) {}}
	const account = "/api/v1/namespaces/widemo/serviceaccounts/wi-demo-sa"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+account, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"metadata":{"annotations":{%s}}}`, annotations)
	})
	mux.HandleFunc("POST "+account+"/token", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cluster.onToken(r)
		_, _ = io.WriteString(w, `{"status":{"token":"of-the-account","expirationTimestamp":"2999-01-01T00:00:00Z"}}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"dev","clusters":[{"name":"c","cluster":{"server":%q}}],
"contexts":[{"name":"dev","context":{"cluster":"c","user":"u","namespace":"widemo"}}],"users":[{"name":"u"}]}`, server.URL)
	if err := os.WriteFile(cluster.kubeconfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// ran is what a command did.
type ran struct {
	code           int
	stdout, stderr string
	left           []string // in the folder for temporary files
}

// exec runs aksess exec with no local Azure running.
func (c *execCluster) exec(t *testing.T, args ...string) ran {
	t.Helper()
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	var stdout, stderr bytes.Buffer
	code := Main(t.Context(), Env{
		Args:  append([]string{"exec", "--state", t.TempDir(), "--kubeconfig", c.kubeconfig}, args...),
		Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Environ: []string{"PATH=" + os.Getenv("PATH"), "AZURE_CLIENT_ID=of-somebody-else"},
	})
	entries, err := os.ReadDir(temporary)
	if err != nil {
		t.Fatal(err)
	}
	result := ran{code: code, stdout: stdout.String(), stderr: stderr.String()}
	for _, entry := range entries {
		result.left = append(result.left, entry.Name())
	}
	return result
}

func annotated(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fmt.Sprintf("%q:%q", "azure.workload.identity/"+pairs[i], pairs[i+1]))
	}
	return strings.Join(list, ",")
}

// TestExecOnAzure: without a local Azure the program gets the identity and no proxy.
func TestExecOnAzure(t *testing.T) {
	cluster := startExecCluster(t, annotated("client-id", testClient, "tenant-id", testTenant))
	got := cluster.exec(t, "sa/wi-demo-sa", "--", "sh", "-c", `env; echo; cat "$AZURE_FEDERATED_TOKEN_FILE"; exit 3`)
	if got.code != 3 {
		t.Errorf("exit code: got %d, want the program's own 3", got.code)
	}
	for _, want := range []string{
		"\nAZURE_CLIENT_ID=" + testClient + "\n", "\nAZURE_TENANT_ID=" + testTenant + "\n",
		"\nAZURE_AUTHORITY_HOST=https://login.microsoftonline.com/\n", "\nof-the-account",
	} {
		if !strings.Contains("\n"+got.stdout, want) {
			t.Errorf("program: got %q, want %q in it", got.stdout, want)
		}
	}
	for _, unwanted := range []string{"PROXY", "proxy", "of-somebody-else", "SSL_CERT_FILE"} {
		if strings.Contains(got.stdout, unwanted) {
			t.Errorf("program: got %q, want no %q in it", got.stdout, unwanted)
		}
	}
	const want = `aksess: running as service account widemo/wi-demo-sa of cluster "dev": client id ` + testClient + ", tenant " + testTenant + ", on Azure; token until "
	if !strings.HasPrefix(got.stderr, want) || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("standard error: got %q, want one line that begins with %q", got.stderr, want)
	}
	if len(got.left) > 0 {
		t.Errorf("left behind: got %q, want nothing", got.left)
	}
}

// TestExecSeveralIdentities: each has its variable, and --client-id takes a name.
func TestExecSeveralIdentities(t *testing.T) {
	const vault = "44444444-4444-4444-4444-444444444444"
	cluster := startExecCluster(t, annotated("client-id", testClient, "tenant-id", testTenant, "client-ids", "vault="+vault))
	for name, c := range map[string]struct {
		args []string
		want string
	}{"unnamed": {nil, testClient}, "named": {[]string{"--client-id", "vault"}, vault}} {
		got := cluster.exec(t, append(c.args, "sa/wi-demo-sa", "--", "sh", "-c", `echo $AZURE_CLIENT_ID $AZURE_CLIENT_ID_VAULT`)...)
		if want := c.want + " " + vault + "\n"; got.code != 0 || got.stdout != want || !strings.Contains(got.stderr, "client id "+c.want) {
			t.Errorf("%s: got exit code %d, %q and %q, want %q", name, got.code, got.stdout, got.stderr, want)
		}
	}
}

func TestExecRefuses(t *testing.T) {
	good := annotated("client-id", testClient, "tenant-id", testTenant)
	for _, c := range []struct {
		name, annotations string
		args              []string
		code              int
		want              string
	}{
		{"no_service_account", good, []string{"wi-demo-sa", "--", "true"}, 2, `"wi-demo-sa" is not of the form sa/NAME`},
		{"no_command", good, []string{"sa/wi-demo-sa"}, 2, "requires at least 2 arg"},
		{"unknown_account", good, []string{"sa/nobody", "--", "true"}, 125, "service account widemo/nobody"},
		{"unknown_program", good, []string{"sa/wi-demo-sa", "--", "no-such-program"}, 127, `running "no-such-program"`},
		{"no_program", good, []string{"sa/wi-demo-sa", "--", "/"}, 126, `running "/"`},
		{"client_id", annotated("client-id", "x"), []string{"sa/wi-demo-sa", "--", "true"}, 125, "azure.workload.identity/client-id"},
		{"expiration", good + "," + annotated("service-account-token-expiration", "5"), []string{"sa/wi-demo-sa", "--", "true"}, 125, `is "5"; it must be between 3600 and 86400`},
		{"no_such_name", good + "," + annotated("client-ids", "vault="+testTenant), []string{"--client-id", "volt", "sa/wi-demo-sa", "--", "true"}, 125, `["vault"]`},
		{"bad_names", good + "," + annotated("client-ids", "vault"), []string{"sa/wi-demo-sa", "--", "true"}, 125, `entry "vault"`},
		{"killed", good, []string{"sa/wi-demo-sa", "--", "sh", "-c", "kill -9 $$"}, 128 + 9, "running as"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := startExecCluster(t, c.annotations).exec(t, c.args...)
			if got.code != c.code || !strings.Contains(got.stderr, c.want) {
				t.Errorf("got exit code %d and %q, want %d and %q in it", got.code, got.stderr, c.code, c.want)
			}
			if len(got.left) > 0 {
				t.Errorf("left behind: got %q, want nothing", got.left)
			}
		})
	}
}

// TestExecInterrupted: a signal before the program runs ends exec, and takes
// what it has prepared away.
func TestExecInterrupted(t *testing.T) {
	cluster := startExecCluster(t, annotated("client-id", testClient, "tenant-id", testTenant))
	cluster.onToken = func(r *http.Request) {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		<-r.Context().Done() // exec gives the request up
	}
	got := cluster.exec(t, "sa/wi-demo-sa", "--", "echo", "running")
	if got.code != codeFailed || got.stdout != "" || !strings.Contains(got.stderr, "terminated") {
		t.Errorf("got exit code %d, output %q and %q; want %d, none, and that it was terminated", got.code, got.stdout, got.stderr, codeFailed)
	}
	if len(got.left) > 0 {
		t.Errorf("left behind: got %q, want nothing", got.left)
	}
}
