// Package terraform holds the tests that run the real Terraform with the real
// azurerm provider against a local Azure: the reference scenario applied,
// planned again, changed, imported and destroyed, and what it set up used by a
// Kubernetes service account.
//
// The programs come from tools/terraform (Terraform, the provider) and
// tools/kubernetes (the API server). How a local Azure answers single requests
// is tested in its own packages, the Azure SDKs are in test/sdk.
package terraform
