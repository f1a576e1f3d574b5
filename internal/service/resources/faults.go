package resources

import (
	"net/http"

	"github.com/aksess/aksess/internal/fault"
)

var (
	badGroupName = &fault.Kind{
		Code: "InvalidResourceGroup", Status: http.StatusBadRequest,
		Format: "The provided resource group name '%.120s' has these invalid characters or is too long. The name can only be a letter, digit, '-', '.', '(', ')' or '_', has at most 90 characters and does not end with a period.",
		Why:    "the name of a resource group has 1 to 90 letters, digits and -._()",
		Fix:    "rename the resource group",
	}
	badGroupLocation = &fault.Kind{
		Code: "LocationNotAvailableForResourceGroup", Status: http.StatusBadRequest,
		Format: "The provided location '%.60s' is not available for resource group. List of available regions is '%s'.",
		Why:    "no public region has that name",
		Fix:    "use a region's name, such as westeurope",
	}
	noTags = &fault.Kind{
		Code: "TagsNotSupportedForResource", Status: http.StatusBadRequest,
		Format: "Tags are not supported for '%.200s'.",
		Why:    "subscriptions, resource groups and tracked resources have tags, what is inside a resource has none",
		Fix:    "tag the resource that it is part of",
	}
	movedGroup = &fault.Kind{
		Code: "InvalidResourceGroupLocation", Status: http.StatusConflict,
		Format: "Invalid resource group location '%s'. The Resource group already exists in location '%s'.",
		Why:    "a resource group does not move between regions",
		Fix:    "delete it first, or choose another name",
	}
)
