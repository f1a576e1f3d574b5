package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newEnv(c *common) *cobra.Command {
	var asJSON, terraform bool
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the variables that point programs at the running local Azure",
		Example: `  eval "$(aksess env)"
  eval "$(aksess env --terraform)"
  aksess env --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := c.state()
			if err != nil {
				return err
			}
			r, err := findRunning(cmd.Context(), dir)
			if err != nil {
				return fmt.Errorf("%w with its state in %s; start one with 'aksess up'", err, dir)
			}
			files, err := r.files()
			if err != nil {
				return err
			}
			noProxy, warnings := c.noProxy()
			for _, warning := range append(warnings, strayCredentials(c.env.Environ)...) {
				fmt.Fprintln(c.env.Stderr, "aksess: warning:", warning)
			}
			variables := clientEnvironment(files, noProxy)
			if terraform {
				deployer, err := r.terraformVariables(nil)
				if err != nil {
					return err
				}
				variables = append(variables, deployer...)
			}
			return c.printEnv(variables, asJSON)
		},
	}
	cmd.Flags().BoolVar(&terraform, "terraform", false, "also print the ARM_ variables of the deployer, its secret among them")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object of names and values")
	return cmd
}

func (c *common) printEnv(variables []variable, asJSON bool) error {
	if asJSON {
		values := map[string]string{}
		for _, v := range variables {
			values[v.Name] = v.Value
		}
		encoder := json.NewEncoder(c.env.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(values)
	}
	for _, v := range variables {
		if _, err := fmt.Fprintf(c.env.Stdout, "export %s=%s # %s\n", v.Name, shellQuote(v.Value), v.For); err != nil {
			return err
		}
	}
	return nil
}

// shellQuote quotes a value for a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
