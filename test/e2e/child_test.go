package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aksess/aksess/internal/deploy"
	"github.com/aksess/aksess/test/e2e"
)

// roleVariable makes this program play the one that aksess exec runs.
const roleVariable = "AKSESS_E2E_ROLE"

// The roles: one reads the secret, one waits for SIGTERM.
const (
	roleReader     = "reader"
	readerExitCode = 7

	roleWaiter     = "waiter"
	waiterReady    = "waiting\n"
	waiterExitCode = 42
)

// sight is what the reader saw, printed as JSON.
type sight struct {
	Arguments  string
	Variables  map[string]string
	FileMode   string // of the token
	FolderMode string
	Secret     string
	Error      string
}

func playChild(role string) (code int) {
	ctx, cancel := context.WithTimeout(context.Background(), execLimit)
	defer cancel()
	switch role {
	case roleReader:
		seen := look()
		seen.Secret, seen.Error = fetch(ctx)
		if err := json.NewEncoder(os.Stdout).Encode(seen); err != nil {
			return 1
		}
		return readerExitCode
	case roleWaiter:
		return wait(ctx)
	}
	return 2
}

func look() sight {
	seen := sight{Arguments: strings.Join(os.Args[1:], " "), Variables: map[string]string{}}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		seen.Variables[name] = value
	}
	file := os.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	seen.FileMode, seen.FolderMode = mode(file), mode(filepath.Dir(file))
	return seen
}

func mode(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return err.Error()
	}
	return info.Mode().String()
}

// fetch reads the secret with nothing but the environment: Go's client takes
// proxy and trust from it.
func fetch(ctx context.Context) (secret, failure string) {
	assertion, err := os.ReadFile(os.Getenv("AZURE_FEDERATED_TOKEN_FILE"))
	if err != nil {
		return "", err.Error()
	}
	client := &deploy.Client{HTTP: http.DefaultClient, TenantID: os.Getenv("AZURE_TENANT_ID")}
	secret, err = readSecret(ctx, client, os.Getenv("AZURE_CLIENT_ID"), string(assertion))
	if err != nil {
		return "", err.Error()
	}
	return secret, ""
}

// readSecret exchanges a service account's token and reads the scenario's secret.
func readSecret(ctx context.Context, client *deploy.Client, clientID, assertion string) (string, error) {
	token, err := client.Assert(ctx, clientID, assertion, deploy.KeyVault)
	if err != nil {
		return "", fmt.Errorf("exchanging the token: %w", err)
	}
	var bundle struct{ Value string }
	call := deploy.Call{Method: http.MethodGet, URL: e2e.SecretURL, Token: token.AccessToken}
	if err := client.Do(ctx, call, &bundle); err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	return bundle.Value, nil
}

// wait ends once it is asked to.
func wait(ctx context.Context) (code int) {
	asked, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	fmt.Print(waiterReady)
	<-asked.Done()
	if ctx.Err() != nil {
		return 1
	}
	return waiterExitCode
}
