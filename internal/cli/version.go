package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newVersion(c *common) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  aksess version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if output == "table" {
				_, err := fmt.Fprintln(c.env.Stdout, c.env.Version.Version)
				return err
			}
			return c.print(output, c.env.Version)
		},
	}
	outputFlag(cmd, &output)
	return cmd
}
