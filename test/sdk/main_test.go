package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aksess/aksess/test/sdk/azurerm4"
	"github.com/aksess/aksess/test/sdk/check"
	"github.com/aksess/aksess/test/sdk/dataplane"
	"github.com/aksess/aksess/test/sdk/deploy"
	"github.com/aksess/aksess/test/sdk/managed"
)

// envProgram makes this test binary one of the programs that its tests start.
const envProgram = "SDK_PROGRAM"

// programs are what the tests start as children, so that each reads proxy and
// trust from the environment as a real one does: once, at its start.
func programs() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"deploy": func(ctx context.Context) error {
			as, err := readDeployer()
			if err != nil {
				return err
			}
			made, err := deploy.Run(ctx, as)
			if err != nil {
				return err
			}
			return json.NewEncoder(os.Stdout).Encode(made)
		},
		"second": func(ctx context.Context) error {
			as, err := readDeployer()
			if err != nil {
				return err
			}
			made, err := deploy.RunSecond(ctx, as)
			if err != nil {
				return err
			}
			return json.NewEncoder(os.Stdout).Encode(made)
		},
		"remove": func(ctx context.Context) error {
			as, err := readDeployer()
			if err != nil {
				return err
			}
			return deploy.Remove(ctx, as, &check.Report{Out: os.Stdout})
		},
		"azurerm4": func(ctx context.Context) error {
			as, err := readDeployer()
			if err != nil {
				return err
			}
			return azurerm4.Run(ctx, as, os.Stdout)
		},
		"dataplane": func(ctx context.Context) error { return dataplane.Run(ctx, os.Stdout) },
		"managed":   func(ctx context.Context) error { return managed.Run(ctx, os.Args[1], os.Stdout) },
		"get":       func(ctx context.Context) error { return get(ctx, os.Args[1]) },
	}
}

func TestMain(m *testing.M) {
	name := os.Getenv(envProgram)
	if name == "" {
		os.Exit(m.Run())
	}
	program, ok := programs()[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s is %q, which is no program of these tests\n", envProgram, name)
		os.Exit(2)
	}
	if err := program(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func readDeployer() (deploy.Deployer, error) {
	var as deploy.Deployer
	if err := json.NewDecoder(os.Stdin).Decode(&as); err != nil {
		return as, fmt.Errorf("reading the deployer from standard input: %w", err)
	}
	return as, nil
}

// get prints the status and the body of an answer.
func get(ctx context.Context, from string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%d %s\n", response.StatusCode, text)
	return err
}
