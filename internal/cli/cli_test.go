package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/deploy"
)

// command runs the command line in this process, with a state folder of its own.
func command(t *testing.T, environ []string, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Main(t.Context(), Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Environ: environ,
		Version: Version{Version: "v1.2.3", Commit: "0123abc", Go: "go1.26"},
	})
	return ran{code: code, stdout: stdout.String(), stderr: stderr.String()}
}

func TestVersion(t *testing.T) {
	if got := command(t, nil, "version"); got.code != 0 || got.stdout != "v1.2.3\n" {
		t.Errorf("table: got %+v", got)
	}
	for output, decode := range map[string]func([]byte, any) error{
		"json": json.Unmarshal, "yaml": func(text []byte, v any) error { return yaml.Unmarshal(text, v) },
	} {
		var version Version
		got := command(t, nil, "version", "-o", output)
		if err := decode([]byte(got.stdout), &version); err != nil || version != (Version{Version: "v1.2.3", Commit: "0123abc", Go: "go1.26"}) {
			t.Errorf("%s: got %+v, %v", output, got, err)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown_command":   {[]string{"upp"}, `unknown command "upp"; did you mean up?`},
		"nothing_like_it":   {[]string{"frobnicate"}, "unknown command \"frobnicate\"\nSee 'aksess --help'"},
		"unknown_flag":      {[]string{"up", "--colour"}, "See 'aksess up --help'"},
		"unknown_output":    {[]string{"version", "-o", "xml"}, `--output "xml" is not one of table, json, yaml`},
		"up_output":         {[]string{"up", "-o", "xml"}, "not one of"},
		"demo_output":       {[]string{"demo", "-o", "xml"}, "not one of"},
		"argument":          {[]string{"up", "now"}, "See 'aksess up --help'"},
		"no_program":        {[]string{"run"}, "See 'aksess run --help'"},
		"address":           {[]string{"up", "--ephemeral", "--client-address", "home"}, `--client-address "home" is not an IP address`},
		"level":             {[]string{"up", "--ephemeral", "--log-level", "loud"}, `--log-level "loud"`},
		"two_clusters":      {[]string{"exec", "--cluster", "a", "--context", "b", "sa/x", "--", "true"}, "--cluster names a cluster"},
		"flag_without_text": {[]string{"up", "--listen"}, "flag needs an argument"},
	} {
		t.Run(name, func(t *testing.T) {
			got := command(t, []string{"HOME=" + t.TempDir()}, c.args...)
			if got.code != 2 || !strings.HasPrefix(got.stderr, "aksess: ") || !strings.Contains(got.stderr, c.want) || got.stdout != "" {
				t.Errorf("got %+v, want exit code 2 and %q", got, c.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, name := range []string{"", "up", "run", "env", "tf", "exec", "demo", "version"} {
		args := append(strings.Fields(name), "--help")
		if got := command(t, nil, args...); got.code != 0 || !strings.Contains(got.stdout, "Examples:\n  ") || got.stderr != "" {
			t.Errorf("aksess %s: got %+v", strings.Join(args, " "), got)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := command(t, nil, "completion", shell); got.code != 0 || !strings.Contains(got.stdout, "aksess") {
			t.Errorf("completion %s: got exit code %d, %s", shell, got.code, got.stderr)
		}
	}
}

func TestNothingRuns(t *testing.T) {
	dir := t.TempDir()
	const want = "no local Azure is running with its state in "
	if got := command(t, nil, "env", "--state", dir); got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, want+dir+"; start one with 'aksess up'") {
		t.Errorf("env: got %+v", got)
	}
	if got := command(t, nil, "exec", "--state", dir, "--cluster", "c", "sa/x", "--", "true"); got.code != codeFailed || !strings.Contains(got.stderr, want+dir) {
		t.Errorf("exec: got %+v", got)
	}
	if got := command(t, []string{"XDG_STATE_HOME=" + dir}, "env"); !strings.Contains(got.stderr, want+filepath.Join(dir, "aksess")) {
		t.Errorf("env by XDG_STATE_HOME: got %+v", got)
	}
	// One that was killed leaves its file; another program may have the port.
	for name, content := range map[string]string{"dead": `{"proxyUrl":"http://127.0.0.1:1"}`, "bad_address": `{"proxyUrl":"::"}`} {
		if err := os.WriteFile(filepath.Join(dir, runningFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := command(t, nil, "env", "--state", dir); got.code != 1 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, runningFile), []byte(`{`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := command(t, nil, "env", "--state", dir); got.code != 1 || !strings.Contains(got.stderr, "reading "+filepath.Join(dir, runningFile)) {
		t.Errorf("a damaged file: got %+v", got)
	}
}

func TestCleanNoProxy(t *testing.T) {
	const own = "localhost,127.0.0.1,::1"
	for _, c := range []struct{ have, kept, warned string }{
		{"", own, ""},
		{"localhost,127.0.0.1", own, ""},
		{"example.com, .corp.example ,10.0.0.0/8", own + ",example.com,.corp.example,10.0.0.0/8", ""},
		{"a.example b.example", own + ",a.example,b.example", ""},
		{"azure.example,notazure.net,myvault.azure.net.example", own + ",azure.example,notazure.net,myvault.azure.net.example", ""},
		{"::/0,2001:db8::/32", own + ",::/0,2001:db8::/32", ""},
		{"169.253.0.0/16", own + ",169.253.0.0/16", ""},
		{"*", own, `"*"`}, {".", own, `"."`}, {"*.", own, `"*."`},
		{".azure.net", own, `".azure.net"`}, {"azure.net", own, `"azure.net"`}, {"*.azure.net", own, `"*.azure.net"`}, {"NET", own, `"NET"`},
		{"vault.azure.net", own, "vault.azure.net"}, {".vault.azure.net:443", own, "vault.azure.net"},
		{"my-vault.vault.azure.net", own, "my-vault.vault.azure.net"}, {"My-Vault.Vault.Azure.Net:443", own, "my-vault.vault.azure.net"},
		{"acct.blob.core.windows.net", own, "acct.blob"}, {".windows.net", own, ".windows.net"}, {"store.azconfig.io", own, "azconfig.io"},
		{"westeurope.oic.prod-aks.azure.com", own, "oic.prod-aks"}, {"blue-1.hcp.westeurope.azmk8s.io", own, "azmk8s.io"},
		{"login.microsoftonline.com", own, "login.microsoftonline.com"}, {"microsoftonline.com", own, "login.microsoftonline.com"}, {"management.azure.com:443", own, "management.azure.com"},
		{"169.254.169.254", own, "169.254.169.254"}, {"169.254.169.254/32", own, "169.254.169.254"}, {"169.254.0.0/16", own, "169.254.169.254"},
		{"169.254.169.254:80", own, "169.254.169.254"}, {"0.0.0.0/0", own, "169.254.169.254"}, {"168.0.0.0/6", own, "169.254.169.254"},
		{"example.com,*,x.example", own + ",example.com,x.example", `"*"`},
	} {
		kept, warnings := cleanNoProxy(c.have)
		if kept != c.kept {
			t.Errorf("%q: got %q, want %q", c.have, kept, c.kept)
		}
		if (len(warnings) == 1) != (c.warned != "") || len(warnings) == 1 && !strings.Contains(warnings[0], c.warned) {
			t.Errorf("%q: got warnings %q, want one with %q", c.have, warnings, c.warned)
		}
	}
}

// TestNoProxyKnowsEveryHost: a host that is served and that a NO_PROXY could
// let slip is one that cleanNoProxy knows.
func TestNoProxyKnowsEveryHost(t *testing.T) {
	a, err := app.Open(t.Context(), app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // nothing was written
	server, ok := a.Handler().(interface{ Hosts() []string })
	if !ok {
		t.Fatal("the handler does not tell its hosts")
	}
	for _, host := range append(server.Hosts(), "169.254.169.254") {
		host = strings.Replace(host, "*", "some", 1)
		if caughtBy(host) == "" {
			t.Errorf("NO_PROXY=%s would be kept", host)
		}
	}
}

func TestStrayCredentials(t *testing.T) {
	if got := strayCredentials([]string{"AZURE_CLIENT_ID=x", "AZURE_CLIENT_SECRET=", "PATH=/bin"}); got != nil {
		t.Errorf("harmless variables: got %q", got)
	}
	for _, name := range []string{"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME", "AZURE_REGIONAL_AUTHORITY_NAME"} {
		got := strayCredentials([]string{name + "=canary"})
		if len(got) != 1 || !strings.HasPrefix(got[0], name+" is set") || strings.Contains(got[0], "canary") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestWithVariables(t *testing.T) {
	got := withVariables([]string{"A=1", "B=2", "A=3", "C", "D="}, []variable{{Name: "A", Value: "x=y"}, {Name: "E", Value: ""}})
	if want := []string{"B=2", "C", "D=", "A=x=y", "E="}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := lookup([]string{"A=1", "AB=2", "A=3"}, "A"); got != "3" {
		t.Errorf("the last one counts: got %q", got)
	}
}

func TestShellQuote(t *testing.T) {
	for have, want := range map[string]string{"": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)`y`": "'$(x)`y`'"} {
		if got := shellQuote(have); got != want {
			t.Errorf("%q: got %s, want %s", have, got, want)
		}
	}
}

// TestClientEnvironment: every variable that some runtime reads, with its value.
func TestClientEnvironment(t *testing.T) {
	files := clientFiles{proxyURL: "http://127.0.0.1:4430", caFile: "/s/ca.crt", trustStore: "/s/t.p12", password: "changeit"}
	got := map[string]string{}
	for _, v := range clientEnvironment(files, "localhost") {
		if _, twice := got[v.Name]; twice || v.For == "" {
			t.Errorf("%s: there twice, or without saying what for", v.Name)
		}
		got[v.Name] = v.Value
	}
	for name, want := range map[string]string{
		"HTTPS_PROXY": files.proxyURL, "https_proxy": files.proxyURL, "HTTP_PROXY": files.proxyURL, "http_proxy": files.proxyURL,
		"NO_PROXY": "localhost", "no_proxy": "localhost",
		"SSL_CERT_FILE": files.caFile, "REQUESTS_CA_BUNDLE": files.caFile, "CURL_CA_BUNDLE": files.caFile, "NODE_EXTRA_CA_CERTS": files.caFile, "NODE_USE_ENV_PROXY": "1",
		"CHECKPOINT_DISABLE": "1", "GO_AZURE_SDK_SKIP_POLLING_DELAY": "true", "AZURE_CORE_COLLECT_TELEMETRY": "no",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	for _, option := range []string{
		"-Dhttps.proxyHost=127.0.0.1", "-Dhttps.proxyPort=4430", "-Dhttp.proxyHost=127.0.0.1", "-Dhttp.proxyPort=4430", "-Djava.net.useSystemProxies=true",
		"-Djavax.net.ssl.trustStore=/s/t.p12", "-Djavax.net.ssl.trustStoreType=PKCS12", "-Djavax.net.ssl.trustStorePassword=changeit",
	} {
		if !slices.Contains(strings.Fields(got["JAVA_TOOL_OPTIONS"]), option) {
			t.Errorf("JAVA_TOOL_OPTIONS: got %q, want %s in it", got["JAVA_TOOL_OPTIONS"], option)
		}
	}
}

// up runs `aksess up` until the test ends or stop is called.
func up(t *testing.T, args ...string) (stdout *lockedBuffer, stop func() int) {
	t.Helper()
	return upLogging(t, &lockedBuffer{}, args...)
}

// upLogging is up with its log.
func upLogging(t *testing.T, stderr *lockedBuffer, args ...string) (stdout *lockedBuffer, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout = &lockedBuffer{}
	code := make(chan int, 1)
	go func() {
		code <- Main(ctx, Env{Args: append([]string{"up"}, args...), Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr, Environ: []string{"GOGC=100"}})
	}()
	ended := -1
	stop = func() int {
		cancel()
		if ended < 0 {
			ended = <-code
		}
		return ended
	}
	t.Cleanup(func() { stop() })
	deadline := time.After(30 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); stdout.String() == ""; {
		select {
		case <-tick.C:
		case ended = <-code:
			t.Fatalf("up ended with %d: %s", ended, stderr.String())
		case <-deadline:
			t.Fatal("up says nothing")
		}
	}
	return stdout, stop
}

func TestUpAndRun(t *testing.T) {
	for _, kind := range []string{"kept", "ephemeral"} {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			args := []string{"--state", dir}
			if kind == "ephemeral" {
				args = append(args, "--ephemeral")
			}
			stdout, stop := up(t, args...)
			announced, err := os.ReadFile(filepath.Join(dir, runningFile))
			if err != nil {
				t.Fatal(err)
			}
			var r running
			if err := json.Unmarshal(announced, &r); err != nil || r.PID != os.Getpid() {
				t.Fatalf("announced: got %s, %v", announced, err)
			}
			text, err := os.ReadFile(filepath.Join(filepath.Dir(r.CAFile), app.DeployerFile))
			if err != nil {
				t.Fatal(err)
			}
			var deployer app.Deployer
			if err := json.Unmarshal(text, &deployer); err != nil || deployer.ClientSecret == "" {
				t.Fatalf("the deployer's file: %v", err)
			}
			if shown := stdout.String(); strings.Contains(shown, deployer.ClientSecret) || !strings.Contains(shown, app.DeployerFile) || !strings.Contains(shown, r.TenantID) {
				t.Errorf("up printed %s", shown)
			}
			got := command(t, []string{"NO_PROXY=*", "AZURE_CLIENT_SECRET=x", "PATH=" + os.Getenv("PATH")}, "env", "--state", dir, "--json")
			var values map[string]string
			if err := json.Unmarshal([]byte(got.stdout), &values); err != nil || values["HTTPS_PROXY"] != r.ProxyURL || values["SSL_CERT_FILE"] != r.CAFile {
				t.Errorf("env: got %+v, %v", got, err)
			}
			if !strings.Contains(got.stderr, `NO_PROXY has "*"`) || !strings.Contains(got.stderr, "AZURE_CLIENT_SECRET is set") {
				t.Errorf("env warns: got %q", got.stderr)
			}
			run := command(t, []string{"PATH=" + os.Getenv("PATH")}, "run", "--state", dir, "sh", "-c", `echo "$HTTPS_PROXY"; exit 7`)
			if run.code != 7 || run.stdout != r.ProxyURL+"\n" || run.stderr != "" {
				t.Errorf("run: got %+v, want exit code 7 and %s", run, r.ProxyURL)
			}
			response, err := http.Get(r.ProxyURL + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close() //nolint:errcheck // only that it answers
			if code := stop(); code != 0 {
				t.Errorf("interrupted: got exit code %d", code)
			}
			if _, err := os.Stat(filepath.Join(dir, runningFile)); !os.IsNotExist(err) {
				t.Errorf("up.json stays: %v", err)
			}
		})
	}
}

func TestUpAsData(t *testing.T) {
	stdout, stop := up(t, "--state", filepath.Join(t.TempDir(), "state"), "-o", "json")
	var report upReport
	if err := json.Unmarshal([]byte(stdout.String()), &report); err != nil || report.Deployer.ClientSecret == "" || report.ProxyURL == "" || report.CAFile == "" || report.SubscriptionID == "" {
		t.Errorf("got %s, %v", stdout.String(), err)
	}
	second := command(t, nil, "up", "--state", report.State)
	if second.code != 1 || !strings.Contains(second.stderr, report.State) {
		t.Errorf("a second one: got %+v", second)
	}
	if code := stop(); code != 0 {
		t.Errorf("interrupted: got exit code %d", code)
	}
	other := command(t, nil, "up", "--state", report.State, "--tenant", "11111111-1111-1111-1111-111111111111")
	if other.code != 1 || !strings.Contains(other.stderr, "is of tenant "+report.TenantID) {
		t.Errorf("with another tenant: got %+v", other)
	}
}

// TestUpAcceptsUnknown: a type that nobody serves is refused with what is
// served; with --accept-unknown it is stored, and log and answers say so.
func TestUpAcceptsUnknown(t *testing.T) {
	for _, accept := range []bool{false, true} {
		t.Run(fmt.Sprint(accept), func(t *testing.T) {
			var log lockedBuffer
			dir := filepath.Join(t.TempDir(), "state")
			upLogging(t, &log, "--state", dir, "--ephemeral", fmt.Sprintf("--accept-unknown=%v", accept))
			r, err := findRunning(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			client, err := r.deployerClient()
			if err != nil {
				t.Fatal(err)
			}
			group := "/subscriptions/" + r.SubscriptionID + "/resourceGroups/rg"
			server := group + "/providers/Microsoft.Storage/silos/one"
			body := map[string]any{"location": "westeurope"}
			if err := client.Manage(t.Context(), "PUT", group, "2023-07-01", body, nil); err != nil {
				t.Fatal(err)
			}
			err = client.Manage(t.Context(), "PUT", server, "2023-08-01", body, nil)
			if !accept {
				if err == nil || !strings.Contains(err.Error(), "InvalidResourceType") || !strings.Contains(err.Error(), "Served here: Microsoft.Storage/storageAccounts") {
					t.Errorf("got %v, want 404 with the types that are served", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			token, err := client.Token(t.Context(), deploy.ResourceManager)
			if err != nil {
				t.Fatal(err)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, deploy.ResourceManager+server+"?api-version=2023-08-01", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+token)
			response, err := client.HTTP.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close() //nolint:errcheck // its head is what counts
			if response.StatusCode != http.StatusOK || response.Header.Get(arm.OpaqueHeader) != "true" {
				t.Errorf("GET: got %s, %v, want 200 with %s", response.Status, response.Header, arm.OpaqueHeader)
			}
			if n := strings.Count(log.String(), "resource stored without meaning"); n != 1 || !strings.Contains(log.String(), server) {
				t.Errorf("log: got %s, want one line that names %s", log.String(), server)
			}
		})
	}
}

// TestTwoEphemeral: the second one leaves the first one's file alone.
func TestTwoEphemeral(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	_, stopFirst := up(t, "--state", dir, "--ephemeral")
	first, err := os.ReadFile(filepath.Join(dir, runningFile))
	if err != nil {
		t.Fatal(err)
	}
	_, stopSecond := up(t, "--state", dir, "--ephemeral")
	if code := stopSecond(); code != 0 {
		t.Errorf("the second: got exit code %d", code)
	}
	if after, err := os.ReadFile(filepath.Join(dir, runningFile)); err != nil || !bytes.Equal(after, first) {
		t.Errorf("afterwards: got %s, %v, want %s", after, err, first)
	}
	stopFirst()
}

// TestRunAlone: without a running local Azure a private one lives as long as the program.
func TestRunAlone(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	got := command(t, []string{"PATH=" + os.Getenv("PATH")}, "run", "--state", t.TempDir(), "--", "sh", "-c", `test -f "$SSL_CERT_FILE" && test -f "$NODE_EXTRA_CA_CERTS" && echo "$HTTPS_PROXY"`)
	if got.code != 0 || !strings.HasPrefix(got.stdout, "http://127.0.0.1:") {
		t.Errorf("got %+v", got)
	}
	for code, argv := range map[int][]string{127: {"no-such-program"}, 126: {"/"}, 128 + 15: {"sh", "-c", "kill -TERM $$"}} {
		if got := command(t, []string{"PATH=" + os.Getenv("PATH")}, append([]string{"run", "--state", t.TempDir(), "--"}, argv...)...); got.code != code {
			t.Errorf("%q: got %+v, want exit code %d", argv, got, code)
		}
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
