package table

import (
	"net/http"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

// New returns the data plane of tables for the accounts among the resources,
// whose services have the settings kept by c
// (https://learn.microsoft.com/rest/api/storageservices/table-service-rest-api).
func New(resources *arm.Resources, c storage.Config) *azapi.Service {
	plane := storageapi.New("table", "Windows-Azure-Table/1.0 Microsoft-HTTPAPI/2.0", storageapi.Tables(), resources, c)
	return plane.Service(append(plane.ServiceOperations(), azapi.Operation{
		Name: "QueryTables", Method: http.MethodGet, Pattern: "/Tables",
		Action: azapi.Control(storage.TypeAccount + "/tableServices/tables/read"), Scope: plane.ServiceScope, Handle: queryTables,
	}))
}

// queryTables lists none, since none can be made
// (https://learn.microsoft.com/rest/api/storageservices/query-tables).
func queryTables(w http.ResponseWriter, r *azapi.Request) error {
	w.Header().Set("Content-Type", "application/json;odata=minimalmetadata;streaming=true;charset=utf-8")
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{
		"odata.metadata": r.BaseURL() + "/$metadata#Tables", "value": []any{},
	})
}
