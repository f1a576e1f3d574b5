package issuer

import (
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// noSuchIssuer answers for every path below the issuers' hosts that is not a
// document of an issuer.
var noSuchIssuer = &fault.Kind{
	Code: "ResourceNotFound", Status: http.StatusNotFound,
	Format: "The specified resource does not exist.",
	Link:   chain.LinkIssuer,
	Why:    "no cluster has an issuer with this URL: it was deleted, rebuilt, or the URL is mistyped",
	Fix:    "take the issuer URL from the cluster: az aks show --query oidcIssuerProfile.issuerUrl",
}
