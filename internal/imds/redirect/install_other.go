//go:build !linux

package redirect

import (
	"fmt"
	"runtime"
)

// Install refuses: there are no rules but Linux's.
func Install(rules Rules) error {
	if err := rules.Validate(); err != nil {
		return err
	}
	return fmt.Errorf("redirecting the metadata service needs Linux, this is %s", runtime.GOOS)
}
