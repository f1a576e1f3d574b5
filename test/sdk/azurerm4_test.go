package sdk

import "testing"

// TestTerraformFour sends what azurerm 4 sends, as a program under `aksess run`.
func TestTerraformFour(t *testing.T) {
	judge(t, start(t, "--ephemeral").asDeployer(t, "azurerm4"))
}
