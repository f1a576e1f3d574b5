package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/aksess/aksess/test/sdk/dataplane"
	"github.com/aksess/aksess/test/sdk/deploy"
)

// envProgram makes this test binary one of the programs that its tests start.
const envProgram = "SDK_PROGRAM"

// programs are what the tests start as children, so that each reads proxy and
// trust from the environment as a real one does: once, at its start.
func programs() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"deploy": func(ctx context.Context) error {
			var as deploy.Deployer
			if err := json.NewDecoder(os.Stdin).Decode(&as); err != nil {
				return fmt.Errorf("reading the deployer from standard input: %w", err)
			}
			made, err := deploy.Run(ctx, as)
			if err != nil {
				return err
			}
			return json.NewEncoder(os.Stdout).Encode(made)
		},
		"dataplane": func(ctx context.Context) error { return dataplane.Run(ctx, os.Stdout) },
		"writer":    runWriter,
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
