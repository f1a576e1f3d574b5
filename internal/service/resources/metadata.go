package resources

import (
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

// Endpoints is where a cloud's services are, for clients that ask it instead of
// knowing the public cloud's names.
type Endpoints struct {
	Name            string // "AzureCloud"
	ResourceManager string // "https://management.azure.com", without a trailing slash
	Login           string // "https://login.microsoftonline.com", without a trailing slash
	Graph           string // "https://graph.microsoft.com"
	Portal          string // "https://portal.azure.com"
	KeyVaultDNS     string // "vault.azure.net"
	Storage         string // "core.windows.net"
}

// PublicCloud returns the endpoints of Azure's public cloud.
func PublicCloud() Endpoints {
	return Endpoints{
		Name: "AzureCloud", ResourceManager: "https://management.azure.com", Login: "https://login.microsoftonline.com",
		Graph: "https://graph.microsoft.com", Portal: "https://portal.azure.com", KeyVaultDNS: "vault.azure.net", Storage: "core.windows.net",
	}
}

// metadata is the cloud's description. Clients differ in what they make of it:
// azurerm takes loginEndpoint as it stands, needs identityProvider AAD and
// tenant common, and polls for half an hour when resourceManager ends in a slash.
type metadata struct {
	Name                     string            `json:"name"`
	Portal                   string            `json:"portal"`
	Authentication           authentication    `json:"authentication"`
	Media                    string            `json:"media"`
	GraphAudience            string            `json:"graphAudience"`
	Graph                    string            `json:"graph"`
	Suffixes                 map[string]string `json:"suffixes"`
	Batch                    string            `json:"batch"`
	ResourceManager          string            `json:"resourceManager"`
	SQLManagement            string            `json:"sqlManagement"`
	Gallery                  string            `json:"gallery"`
	MicrosoftGraphResourceID string            `json:"microsoftGraphResourceId"`
}

type authentication struct {
	LoginEndpoint    string   `json:"loginEndpoint"`
	Audiences        []string `json:"audiences"`
	Tenant           string   `json:"tenant"`
	IdentityProvider string   `json:"identityProvider"`
}

func metadataOf(e Endpoints) metadata {
	return metadata{
		Name: e.Name, Portal: e.Portal,
		Authentication: authentication{
			LoginEndpoint: e.Login, Tenant: "common", IdentityProvider: "AAD",
			Audiences: []string{"https://management.core.windows.net/", "https://management.azure.com/"},
		},
		Media: "https://rest.media.azure.net", GraphAudience: e.Graph + "/", Graph: e.Graph + "/",
		Suffixes: map[string]string{
			"keyVaultDns": e.KeyVaultDNS, "storage": e.Storage, "mhsmDns": "managedhsm.azure.net", "acrLoginServer": "azurecr.io",
			"sqlServerHostname": "database.windows.net", "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
			"azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net", "synapseAnalytics": "dev.azuresynapse.net",
			"attestationEndpoint": "attest.azure.net", "azureFrontDoorEndpointSuffix": "azurefd.net", "storageSyncEndpointSuffix": "afs.azure.net",
			"mysqlServerEndpoint": "mysql.database.azure.com", "postgresqlServerEndpoint": "postgres.database.azure.com", "mariadbServerEndpoint": "mariadb.database.azure.com",
		},
		Batch: "https://batch.core.windows.net", ResourceManager: e.ResourceManager,
		SQLManagement: "https://management.core.windows.net:8443/", Gallery: "https://gallery.azure.com/", MicrosoftGraphResourceID: e.Graph,
	}
}

// olderMetadata is the description of the api-versions before 2019. azurerm 4
// learns from it which locations there are, by the endpoint that it asked.
type olderMetadata struct {
	GalleryEndpoint string                   `json:"galleryEndpoint"`
	GraphEndpoint   string                   `json:"graphEndpoint"`
	PortalEndpoint  string                   `json:"portalEndpoint"`
	GraphAudience   string                   `json:"graphAudience"`
	Authentication  authentication           `json:"authentication"`
	CloudEndpoint   map[string]cloudEndpoint `json:"cloudEndpoint"`
}

type cloudEndpoint struct {
	Endpoint  string   `json:"endpoint"` // a host
	Locations []string `json:"locations"`
}

func olderMetadataOf(m metadata) olderMetadata {
	public := cloudEndpoint{Endpoint: strings.TrimPrefix(m.ResourceManager, "https://")}
	for _, l := range arm.Locations() {
		public.Locations = append(public.Locations, l.Name)
	}
	return olderMetadata{
		GalleryEndpoint: m.Gallery, GraphEndpoint: m.Graph, PortalEndpoint: m.Portal, GraphAudience: m.GraphAudience,
		Authentication: m.Authentication, CloudEndpoint: map[string]cloudEndpoint{"public": public},
	}
}

// metadata answers one cloud; for the api-versions of 2019, the list of clouds,
// and for those before, one in the older form.
func (h *handlers) metadata(w http.ResponseWriter, r *azapi.Request) error {
	endpoints := PublicCloud()
	if h.Endpoints != nil {
		endpoints = h.Endpoints(r.Request.Host)
	}
	cloud := metadataOf(endpoints)
	switch {
	case r.Version != "" && r.Version < "2019":
		return azapi.WriteJSON(w, http.StatusOK, olderMetadataOf(cloud))
	case r.Version != "" && r.Version < "2020":
		return azapi.WriteJSON(w, http.StatusOK, []metadata{cloud})
	}
	return azapi.WriteJSON(w, http.StatusOK, cloud)
}
