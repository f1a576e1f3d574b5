package proxy

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/imds/node"
)

const (
	tenant = "22222222-2222-2222-2222-222222222222"
	client = "33333333-3333-3333-3333-333333333333"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for _, pair := range pairs {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value
			}
		}
		return ""
	}
}

// freePort is one that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // only its port matters
	return listener.Addr().(*net.TCPAddr).Port
}

// start runs the command until the test ends, and returns its address.
func start(t *testing.T, variables ...string) (address string, port int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("assertion"), 0o600); err != nil {
		t.Fatal(err)
	}
	variables = append(variables, "AZURE_TENANT_ID="+tenant, "AZURE_CLIENT_ID="+client, "AZURE_FEDERATED_TOKEN_FILE="+file,
		"AZURE_AUTHORITY_HOST=https://127.0.0.1:1/") // where nobody listens
	port = freePort(t)
	ctx, cancel := context.WithCancel(t.Context())
	started, ended := make(chan net.Addr, 1), make(chan int, 1)
	var log bytes.Buffer
	go func() {
		ended <- Main(ctx, Env{
			Args: []string{"--proxy-port", strconv.Itoa(port)}, Getenv: environment(variables...),
			Stdout: io.Discard, Stderr: &log, Version: "v1", Started: func(a net.Addr) { started <- a },
		})
	}()
	select {
	case a := <-started:
		address = a.String()
	case code := <-ended:
		cancel()
		t.Fatalf("got exit code %d: %s", code, &log)
	}
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("got exit code %d: %s", code, &log)
		}
	})
	return address, port
}

func get(t *testing.T, target string, headers ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	request.Host = cmp.Or(request.Header.Get("Host"), request.Host)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	address, port := start(t, "IDENTITY_HEADER=abc")
	const query = "?api-version=2018-02-01&resource=r"
	for name, test := range map[string]struct {
		target  string
		headers []string
		status  int
		body    string
	}{
		"health":      {"/healthz", nil, 200, "ok\n"},
		"ready":       {"/readyz", nil, 200, "ok\n"},
		"metrics":     {"/metrics", nil, 200, "aksess_proxy_tokens_total{result=\"cached\"} 0\n"},
		"unreachable": {"/metadata/identity/oauth2/token" + query, []string{"Metadata", "true"}, 503, `"error":"temporarily_unavailable"`},
		"app_service": {"/msi/token?api-version=2019-08-01&resource=r", []string{"X-Identity-Header", "abc"}, 503, `"statusCode":503`},
		"no_secret":   {"/msi/token?api-version=2019-08-01&resource=r", nil, 401, `"statusCode":401`},
		"not_listed":  {"/metadata/attested/document", []string{"Metadata", "true"}, 404, "Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := get(t, "http://"+address+test.target, test.headers...)
			if status != test.status || !strings.Contains(body, test.body) {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, test.body)
			}
		})
	}
	t.Run("other_port", func(t *testing.T) { // of the metadata service, which clients write into Host
		address, _ := start(t, "METADATA_PORT=81")
		for host, want := range map[string]int{"169.254.169.254:81": 503, "169.254.169.254": 503, "169.254.169.254:80": 403} {
			if status, body := get(t, "http://"+address+"/metadata/identity/oauth2/token"+query, "Host", host, "Metadata", "true"); status != want {
				t.Errorf("%s: got %d %s, want %d", host, status, body, want)
			}
		}
	})
	t.Run("probe", func(t *testing.T) {
		if code := Main(t.Context(), Env{Args: []string{"--probe", "--proxy-port", strconv.Itoa(port)}, Getenv: environment(), Stderr: io.Discard}); code != 0 {
			t.Errorf("got %d", code)
		}
	})
	t.Run("taken_port", func(t *testing.T) {
		var log bytes.Buffer
		code := Main(t.Context(), Env{Args: []string{"--proxy-port", strconv.Itoa(port)}, Stderr: &log,
			Getenv: environment("AZURE_TENANT_ID="+tenant, "AZURE_FEDERATED_TOKEN_FILE=x")})
		if code != exitFailed || !strings.Contains(log.String(), "is taken by another program of the pod") {
			t.Errorf("got %d: %s", code, &log)
		}
	})
}

// TestEndWith: a proxy that cannot see the other containers, as here, says so
// and serves on until it is told to end.
func TestEndWith(t *testing.T) {
	read, write := io.Pipe()
	defer read.Close()                                           //nolint:errcheck // of a test
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of one that says nothing
	defer cancel()
	port, ended := strconv.Itoa(freePort(t)), make(chan int, 1)
	go func() {
		ended <- Main(ctx, Env{
			Args: []string{"--proxy-port", port, "--end-with=main,other"}, Stdout: io.Discard, Stderr: write,
			Getenv: environment("AZURE_TENANT_ID="+tenant, "AZURE_FEDERATED_TOKEN_FILE=/t"),
		})
		_ = write.Close()
	}()
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"the proxy does not end with the other containers","containers":["main","other"]`) {
			break
		}
	}
	go io.Copy(io.Discard, read) //nolint:errcheck // so that nobody waits for a reader
	if status, body := get(t, "http://127.0.0.1:"+port+"/healthz"); status != http.StatusOK {
		t.Errorf("got %d %s, want it to serve on", status, body)
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("got exit code %d", code)
	}
}

// TestProbeWaits: it tries again while the port is refused.
func TestProbeWaits(t *testing.T) {
	port := strconv.Itoa(freePort(t))
	var log bytes.Buffer
	if code := Main(t.Context(), Env{Args: []string{"--probe", "--probe-within=50ms", "--proxy-port", port}, Getenv: environment(), Stderr: &log}); code != exitFailed || !strings.Contains(log.String(), "refused") {
		t.Errorf("got %d: %s", code, &log)
	}
	done := make(chan int, 1)
	go func() {
		done <- Main(t.Context(), Env{Args: []string{"--probe", "--proxy-port", port}, Getenv: environment(), Stderr: io.Discard})
	}()
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })}
	go func() { _ = server.Serve(listener) }()
	defer server.Close() //nolint:errcheck // of a test
	if code := <-done; code != 0 {
		t.Errorf("got %d", code)
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	code := Main(t.Context(), Env{Args: []string{"--version"}, Getenv: environment(), Stdout: &out, Stderr: io.Discard, Version: "v1.2.3"})
	var got map[string]string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || code != 0 || got["version"] != "v1.2.3" || got["platform"] == "" {
		t.Errorf("got %d %s", code, &out)
	}
	if code := Main(t.Context(), Env{Args: []string{"--help"}, Getenv: environment(), Stderr: &out}); code != 0 || !strings.Contains(out.String(), "AZURE_FEDERATED_TOKEN_FILE") {
		t.Errorf("got %d %s", code, &out)
	}
}

func TestUsage(t *testing.T) {
	good := []string{"AZURE_TENANT_ID=" + tenant, "AZURE_FEDERATED_TOKEN_FILE=/t"}
	for name, test := range map[string]struct {
		args      []string
		variables []string
		want      string
	}{
		"argument":    {[]string{"serve"}, good, `unexpected argument "serve"`},
		"port":        {[]string{"--proxy-port=70000"}, good, "expected 1 to 65535"},
		"level":       {[]string{"--log-level=loud"}, good, "--log-level has value"},
		"end_with":    {[]string{"--end-with=a,,b"}, good, "--end-with has value"},
		"restarts":    {[]string{"--end-with-restarts"}, good, "--end-with has value"},
		"format":      {[]string{"--log-format=xml"}, good, "--log-format has value"},
		"identity":    {[]string{"--pass=/metadata"}, good, "which is the node's identity"},
		"no_tenant":   {nil, good[1:], "AZURE_TENANT_ID not set"},
		"no_file":     {nil, good[:1], "AZURE_FEDERATED_TOKEN_FILE not set"},
		"ip":          {nil, append([]string{"METADATA_IP=host"}, good...), "METADATA_IP has value"},
		"half_bound":  {nil, append([]string{"AZURE_KUBERNETES_CA_DATA=x"}, good...), "AZURE_KUBERNETES_TOKEN_PROXY is not set but other"},
		"two_cas":     {nil, append([]string{"AZURE_KUBERNETES_TOKEN_PROXY=https://k", "AZURE_KUBERNETES_CA_DATA=x", "AZURE_KUBERNETES_CA_FILE=x"}, good...), "only one of AZURE_KUBERNETES_CA_FILE"},
		"init_arg":    {[]string{"init", "x"}, nil, "init takes no arguments"},
		"init_port":   {[]string{"init"}, []string{"PROXY_PORT=0"}, "PROXY_PORT has value"},
		"init_uid":    {[]string{"init"}, []string{"PROXY_UID=root"}, "PROXY_UID has value"},
		"init_target": {[]string{"init"}, []string{"METADATA_IP=127.0.0.1"}, "is no address of a metadata service"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			code := Main(t.Context(), Env{Args: test.args, Getenv: environment(test.variables...), Stdout: io.Discard, Stderr: &log})
			if code != exitUsage || !strings.Contains(log.String(), test.want) {
				t.Errorf("got %d %s, want %s", code, &log, test.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	got, err := parse([]string{"--proxy-port=8081", "--log-level=trace", "--pass", "/metadata/instance, POST /metadata/scheduledevents"}, environment(
		"AZURE_TENANT_ID="+tenant, "AZURE_FEDERATED_TOKEN_FILE=/t", "METADATA_IP=169.254.169.254,fd00::254", "METADATA_PORT=81", "IDENTITY_HEADER=abc",
		"AZURE_KUBERNETES_TOKEN_PROXY=https://k/p", "AZURE_KUBERNETES_SNI_NAME=n", "AZURE_KUBERNETES_CA_FILE=/ca",
	), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got.port != 8081 || len(got.metadata) != 2 || got.metadata[1].String() != "[fd00::254]:81" || got.secret != "abc" {
		t.Errorf("got %+v", got)
	}
	if want := []node.Rule{{Method: "GET", Path: "/metadata/instance"}, {Method: "POST", Path: "/metadata/scheduledevents"}}; len(got.pass) != 2 || got.pass[0] != want[0] || got.pass[1] != want[1] {
		t.Errorf("got %+v, want %+v", got.pass, want)
	}
	if b := got.tokens.Binding; b == nil || b.URL != "https://k/p" || b.ServerName != "n" || b.CAFile != "/ca" {
		t.Errorf("got %+v", b)
	}
	if got.tokens.Authority != "https://login.microsoftonline.com/" || got.tokens.TokenFile != "/t" {
		t.Errorf("got %+v", got.tokens)
	}
}

func TestParseInit(t *testing.T) {
	rules, err := parseInit(nil, environment())
	if err != nil || rules.Addresses[0].String() != "169.254.169.254" || rules.Port != 80 || rules.ToPort != 8000 || *rules.ExemptUID != 1501 {
		t.Errorf("got %+v %v", rules, err)
	}
	rules, err = parseInit(nil, environment("PROXY_UID=none", "PROXY_PORT=8081"))
	if err != nil || rules.ExemptUID != nil || rules.ToPort != 8081 {
		t.Errorf("got %+v %v", rules, err)
	}
}
