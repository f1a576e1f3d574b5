package webhook

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// authorityHost returns the token service of a cloud by the name that
// AZURE_ENVIRONMENT gives it. Names compare without case.
func authorityHost(cloud, stackFile string) (string, error) {
	switch strings.ToLower(cloud) {
	case "", "azurepubliccloud", "azurecloud":
		return chain.PublicAuthorityHost, nil
	case "azureusgovernmentcloud", "azureusgovernment":
		return "https://login.microsoftonline.us/", nil
	case "azurechinacloud":
		return "https://login.chinacloudapi.cn/", nil
	case "azuregermancloud":
		return "https://login.microsoftonline.de/", nil
	case "azurestackcloud":
		return stackAuthorityHost(stackFile)
	}
	return "", fmt.Errorf("AZURE_ENVIRONMENT has value %q: expected AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud, AzureGermanCloud or AzureStackCloud", cloud)
}

// stackAuthorityHost reads the token service from the description of an Azure Stack.
func stackAuthorityHost(file string) (string, error) {
	if file == "" {
		return "", fmt.Errorf("AZURE_ENVIRONMENT is AzureStackCloud: AZURE_ENVIRONMENT_FILEPATH must name its description")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the description of the Azure Stack: %w", err)
	}
	var stack struct {
		ActiveDirectoryEndpoint string `json:"activeDirectoryEndpoint"`
	}
	if err := json.Unmarshal(raw, &stack); err != nil {
		return "", fmt.Errorf("reading the description of the Azure Stack %q: %w", file, err)
	}
	if stack.ActiveDirectoryEndpoint == "" {
		return "", fmt.Errorf("the description of the Azure Stack %q has no activeDirectoryEndpoint", file)
	}
	return stack.ActiveDirectoryEndpoint, nil
}
