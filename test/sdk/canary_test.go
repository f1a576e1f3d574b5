package sdk

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aksess/aksess/test/sdk/deploy"
)

// jwt is the beginning of any token that could be there: {"al… or {"ty….
var jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{20,}`)

// canaries are what must not leak, by what they are.
func canaries(a *azure, s deploy.Scenario) map[string]string {
	return map[string]string{
		"the secret's value": deploy.Secret, "the deployer's secret": a.Deployer.ClientSecret, "the cluster's token": s.AdminToken,
		"the service account's token": s.Token, "another service account's token": s.Foreign,
	}
}

// search fails for each canary, and each token, that is in the text.
func search(t *testing.T, where, text string, canaries map[string]string) {
	t.Helper()
	for what, value := range canaries {
		if value == "" {
			t.Fatalf("%s is empty: the search finds nothing", what)
		}
		if at := strings.Index(text, value); at >= 0 {
			t.Errorf("%s holds %s, at byte %d of %d", where, what, at, len(text))
		}
	}
	if at := jwt.FindStringIndex(text); at != nil {
		t.Errorf("%s holds a token, at byte %d of %d", where, at[0], len(text))
	}
}

// testSample serves the sample application as a pod of the scenario, reads
// everything from it, and finds no secret in its environment, files and output.
func testSample(t *testing.T, a *azure, s deploy.Scenario) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.json")
	text, err := json.Marshal(map[string]string{
		"AppConfigEndpoint": "https://" + deploy.Store + ".azconfig.io", "AppConfigLabel": deploy.Label, "SharedAppConfiglabel": deploy.SharedLabel,
		"KeyVaultName": deploy.Vault + ".vault.azure.net", "AadTenantId": a.TenantID, "BlobStorageName": deploy.Account,
		"QueueStorageName": deploy.Account + ".queue.core.windows.net/", "QueueName": "sample", "ContainerName": deploy.Container,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	// The shell says its process id and becomes the application.
	cmd := a.command(t, []string{"CH_WIDEMO_CONFIG=" + config, "LISTEN_URLS=http://127.0.0.1:0", "TMPDIR=" + dir},
		"exec", execArguments("sh", "-c", `echo $$; exec "$0"`, filepath.Join(bin(t), "wi-api"))...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // after the orderly end below this does nothing
	output := bufio.NewReader(stdout)
	pid, err := output.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	log := bufio.NewReader(stderr)
	address, first := servingAt(t, log)
	environ, err := os.ReadFile("/proc/" + strings.TrimSpace(pid) + "/environ")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"health": "healthy", "settings": deploy.Secret, "blobs": "welcome to widemo", "messages": "hello from wi-api"} {
		if got := ask(t, "http://"+address+"/api/"+path); !strings.Contains(got, want) {
			t.Errorf("/api/%s: got %s, want %q in it", path, got, want)
		}
	}
	search(t, "the application's files", contents(t, dir), map[string]string{
		"the secret's value": deploy.Secret, "the deployer's secret": a.Deployer.ClientSecret,
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	printed, _ := io.ReadAll(output) // both end with the process
	logged, _ := io.ReadAll(log)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the application: got %v, want it to end with 0 when told to", err)
	}
	if !strings.Contains(string(environ), "AZURE_FEDERATED_TOKEN_FILE=") {
		t.Errorf("the environment read is not the application's: %q", environ)
	}
	search(t, "the application's environment", string(environ), canaries(a, s))
	search(t, "the application's standard output", string(printed), canaries(a, s))
	search(t, "the application's log", first+string(logged), canaries(a, s))
}

// servingAt reads the log up to the line that says where the application serves.
func servingAt(t *testing.T, log *bufio.Reader) (address, read string) {
	t.Helper()
	for {
		line, err := log.ReadString('\n')
		read += line
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Address != "" {
			return entry.Address, read
		}
		if err != nil {
			t.Fatalf("the application ended before it served:\n%s", read)
		}
	}
}

func ask(t *testing.T, url string) string {
	t.Helper()
	response, err := (&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %s", response.Status, text)
}

// contents is all that is in the files of a folder, the projected token aside,
// which is the one thing that a pod is given.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == "azure-identity-token" {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// testLog finds nothing of all that went through the local Azure in its log.
func testLog(t *testing.T, a *azure, s deploy.Scenario) {
	log := a.logText(t)
	if served := strings.Count(log, "msg=served"); served < 100 || !strings.Contains(log, "operation=SetSecret") {
		t.Errorf("the log has %d requests, none of them SetSecret: it is not that of the tests", served)
	}
	search(t, "the log of aksess up", log, canaries(a, s))
	for _, form := range []string{"client_assertion=", "client_secret=", "popreceipt=", "Bearer ey"} {
		if strings.Contains(log, form) {
			t.Errorf("the log of aksess up holds %q", form)
		}
	}
}
