package monitor

import (
	"net/http"

	"github.com/aksess/aksess/internal/fault"
)

var (
	badName = &fault.Kind{
		Code: "InvalidResourceName", Status: http.StatusBadRequest,
		Format: "Resource name '%.100s' is invalid. A workspace's name has 4 to 63 letters, digits and '-' and neither begins nor ends with '-'.",
		Why:    "the name is not of the form of workspaces", Fix: "rename the workspace",
	}
	badParameter = &fault.Kind{
		Code: "InvalidParameter", Status: http.StatusBadRequest,
		Format: "'%s' property is invalid: %s.", Why: "the workspace says what none can be", Fix: "correct the property that the message names",
	}
)
