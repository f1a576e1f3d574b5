package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "form of the output: table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// print writes data to standard output in a machine's form.
func (c *common) print(output string, v any) error {
	switch output {
	case "json":
		encoder := json.NewEncoder(c.env.Stdout)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(v)
	case "yaml":
		text, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = c.env.Stdout.Write(text)
		return err
	default:
		return usageError{fmt.Errorf("--output %q is not one of table, json, yaml", output)}
	}
}

// checkOutput refuses an unknown form before any work is done.
func checkOutput(output string) error {
	switch output {
	case "table", "json", "yaml":
		return nil
	}
	return usageError{fmt.Errorf("--output %q is not one of table, json, yaml", output)}
}
