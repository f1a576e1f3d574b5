package arm

import (
	"slices"
	"strings"
)

// Location is one region
// (https://learn.microsoft.com/rest/api/resources/subscriptions/list-locations).
type Location struct {
	Name        string // "westeurope"
	DisplayName string // "West Europe"
	Geography   string // "Europe"
	Paired      string // name of the paired region, "" when there is none
}

// Locations returns the public regions.
func Locations() []Location {
	return []Location{
		{"eastus", "East US", "US", "westus"},
		{"eastus2", "East US 2", "US", "centralus"},
		{"southcentralus", "South Central US", "US", "northcentralus"},
		{"westus2", "West US 2", "US", "westcentralus"},
		{"westus3", "West US 3", "US", "eastus"},
		{"centralus", "Central US", "US", "eastus2"},
		{"northcentralus", "North Central US", "US", "southcentralus"},
		{"westus", "West US", "US", "eastus"},
		{"westcentralus", "West Central US", "US", "westus2"},
		{"canadacentral", "Canada Central", "Canada", "canadaeast"},
		{"canadaeast", "Canada East", "Canada", "canadacentral"},
		{"mexicocentral", "Mexico Central", "Mexico", ""},
		{"brazilsouth", "Brazil South", "South America", "southcentralus"},
		{"brazilsoutheast", "Brazil Southeast", "South America", "brazilsouth"},
		{"chilecentral", "Chile Central", "South America", ""},
		{"northeurope", "North Europe", "Europe", "westeurope"},
		{"westeurope", "West Europe", "Europe", "northeurope"},
		{"uksouth", "UK South", "Europe", "ukwest"},
		{"ukwest", "UK West", "Europe", "uksouth"},
		{"francecentral", "France Central", "Europe", "francesouth"},
		{"francesouth", "France South", "Europe", "francecentral"},
		{"germanywestcentral", "Germany West Central", "Europe", "germanynorth"},
		{"germanynorth", "Germany North", "Europe", "germanywestcentral"},
		{"switzerlandnorth", "Switzerland North", "Europe", "switzerlandwest"},
		{"switzerlandwest", "Switzerland West", "Europe", "switzerlandnorth"},
		{"norwayeast", "Norway East", "Europe", "norwaywest"},
		{"norwaywest", "Norway West", "Europe", "norwayeast"},
		{"swedencentral", "Sweden Central", "Europe", "swedensouth"},
		{"swedensouth", "Sweden South", "Europe", "swedencentral"},
		{"polandcentral", "Poland Central", "Europe", ""},
		{"italynorth", "Italy North", "Europe", ""},
		{"spaincentral", "Spain Central", "Europe", ""},
		{"austriaeast", "Austria East", "Europe", ""},
		{"belgiumcentral", "Belgium Central", "Europe", ""},
		{"denmarkeast", "Denmark East", "Europe", ""},
		{"southafricanorth", "South Africa North", "Africa", "southafricawest"},
		{"southafricawest", "South Africa West", "Africa", "southafricanorth"},
		{"uaenorth", "UAE North", "Middle East", "uaecentral"},
		{"uaecentral", "UAE Central", "Middle East", "uaenorth"},
		{"qatarcentral", "Qatar Central", "Middle East", ""},
		{"israelcentral", "Israel Central", "Middle East", ""},
		{"australiaeast", "Australia East", "Asia Pacific", "australiasoutheast"},
		{"australiasoutheast", "Australia Southeast", "Asia Pacific", "australiaeast"},
		{"australiacentral", "Australia Central", "Asia Pacific", "australiacentral2"},
		{"australiacentral2", "Australia Central 2", "Asia Pacific", "australiacentral"},
		{"newzealandnorth", "New Zealand North", "Asia Pacific", ""},
		{"southeastasia", "Southeast Asia", "Asia Pacific", "eastasia"},
		{"eastasia", "East Asia", "Asia Pacific", "southeastasia"},
		{"centralindia", "Central India", "Asia Pacific", "southindia"},
		{"southindia", "South India", "Asia Pacific", "centralindia"},
		{"westindia", "West India", "Asia Pacific", "southindia"},
		{"jioindiawest", "Jio India West", "Asia Pacific", "jioindiacentral"},
		{"jioindiacentral", "Jio India Central", "Asia Pacific", "jioindiawest"},
		{"indonesiacentral", "Indonesia Central", "Asia Pacific", ""},
		{"malaysiawest", "Malaysia West", "Asia Pacific", ""},
		{"japaneast", "Japan East", "Asia Pacific", "japanwest"},
		{"japanwest", "Japan West", "Asia Pacific", "japaneast"},
		{"koreacentral", "Korea Central", "Asia Pacific", "koreasouth"},
		{"koreasouth", "Korea South", "Asia Pacific", "koreacentral"},
	}
}

// NormalLocation writes a location as Azure stores it: "West Europe" is "westeurope".
func NormalLocation(location string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(location), " ", ""))
}

// KnownLocation reports whether a normalised location is a public region or "global".
func KnownLocation(location string) bool {
	return location == "global" || slices.ContainsFunc(Locations(), func(l Location) bool { return l.Name == location })
}

func locationNames() string {
	names := make([]string, 0, 64)
	for _, l := range Locations() {
		names = append(names, l.Name)
	}
	return strings.Join(names, ",")
}
