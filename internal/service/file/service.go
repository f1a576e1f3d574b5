package file

import (
	"encoding/xml"
	"net/http"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

// New returns the data plane of file shares for the accounts among the
// resources, whose services have the settings kept by c
// (https://learn.microsoft.com/rest/api/storageservices/file-service-rest-api).
func New(resources *arm.Resources, c storage.Config) *azapi.Service {
	plane := storageapi.New("file", "Windows-Azure-File/1.0 Microsoft-HTTPAPI/2.0", storageapi.Objects(), resources, c)
	return plane.Service(append(plane.ServiceOperations(), azapi.Operation{
		Name: "ListShares", Method: http.MethodGet, Pattern: "/", Query: storageapi.Selectors("", "list"),
		Action: azapi.Control(storage.TypeAccount + "/fileServices/shares/read"), Scope: plane.ServiceScope, Handle: listShares,
	}))
}

// sharePage is the answer of List Shares
// (https://learn.microsoft.com/rest/api/storageservices/list-shares#response-body).
type sharePage struct {
	XMLName         xml.Name `xml:"EnumerationResults"`
	ServiceEndpoint string   `xml:"ServiceEndpoint,attr"`
	Shares          struct{} `xml:"Shares"`
	NextMarker      string   `xml:"NextMarker"`
}

// listShares lists none, since none can be made
// (https://learn.microsoft.com/rest/api/storageservices/list-shares).
func listShares(w http.ResponseWriter, r *azapi.Request) error {
	return azapi.WriteXML(w, http.StatusOK, sharePage{ServiceEndpoint: r.BaseURL() + "/"})
}
