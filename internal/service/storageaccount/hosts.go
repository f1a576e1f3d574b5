package storageaccount

import (
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

// Hosts are the hosts of an account that its endpoints name and that serve
// nothing: of hierarchical namespaces, and of static websites. They answer 501,
// the latter without asking who calls, as websites do.
func Hosts(resources *arm.Resources, c storage.Config) []*azapi.Service {
	server := "Windows-Azure-HDFS/1.0 Microsoft-HTTPAPI/2.0"
	dfs := storageapi.New("dfs", server, storageapi.Objects(), resources, c).Service(nil)
	web := storageapi.New("z6.web", "Windows-Azure-Web/1.0 Microsoft-HTTPAPI/2.0", storageapi.Objects(), resources, c).Service(nil)
	web.Audiences, web.Schemes, web.Query = nil, nil, nil
	return []*azapi.Service{dfs, web}
}
