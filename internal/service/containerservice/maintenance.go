package containerservice

import (
	"slices"

	"github.com/aksess/aksess/internal/arm"
)

// TypeMaintenance is the resource type of a cluster's maintenance windows.
const TypeMaintenance = TypeCluster + "/maintenanceConfigurations"

// maintenanceType keeps the windows. Nothing is ever maintained here
// (https://learn.microsoft.com/rest/api/aks/maintenance-configurations).
func maintenanceType() *arm.Type {
	return &arm.Type{
		Name: TypeMaintenance, Proxy: true, NoPatch: true, CreateStatus: 200, DeleteStatus: 200,
		ValidName: func(name string) error {
			if !slices.Contains([]string{"default", "aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"}, name) {
				return badCluster.New("Only 'default', 'aksManagedAutoUpgradeSchedule' and 'aksManagedNodeOSUpgradeSchedule' are allowed configNames for maintenance configuration.")
			}
			return nil
		},
	}
}
