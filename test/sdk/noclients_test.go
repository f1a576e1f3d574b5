//go:build !clients

package sdk

import "os"

// redirectedPrograms are those of package managed that [TestRedirected] runs.
func redirectedPrograms() map[string][]string {
	return map[string][]string{"go": {os.Args[0]}, "javascript": {"node", "js/managed.js"}}
}
