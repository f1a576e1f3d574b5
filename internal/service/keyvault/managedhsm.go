package keyvault

import (
	"net/http"
	"regexp"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

var hsmName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$`)

// hsmOperations answer that there are no managed HSMs, which are not served: az
// asks for them beside the vaults and fails when nobody answers.
func (s *Secrets) hsmOperations() []azapi.Operation {
	op := func(name, method, path, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{
			Name: name, Method: method, Pattern: provider + path, Action: azapi.Control("Microsoft.KeyVault/" + action), Scope: arm.SubscriptionScope, Handle: handle,
		}
	}
	return []azapi.Operation{
		op("ListManagedHSMs", http.MethodGet, "/managedHSMs", "managedHSMs/read", s.listNoHSMs),
		op("ListDeletedManagedHSMs", http.MethodGet, "/deletedManagedHSMs", "deletedManagedHsms/read", s.listNoHSMs),
		op("CheckManagedHSMName", http.MethodPost, "/checkMhsmNameAvailability", "checkMhsmNameAvailability/read", s.checkHSMName),
	}
}

func (s *Secrets) listNoHSMs(w http.ResponseWriter, r *azapi.Request) error {
	if _, err := s.Resources.Subscription(r.Context(), r.Param("subscription")); err != nil {
		return err
	}
	return arm.WriteList(w, r, nil)
}

// checkHSMName says whether a managed HSM could have a name; none has it
// (https://learn.microsoft.com/rest/api/keyvault/managedhsm/managed-hsms/check-mhsm-name-availability).
func (s *Secrets) checkHSMName(w http.ResponseWriter, r *azapi.Request) error {
	var body struct {
		Name string `json:"name"`
	}
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	var answer nameAnswer
	if answer.Available = hsmName.MatchString(body.Name); !answer.Available {
		answer.Reason, answer.Message = "AccountNameInvalid", "The name is not valid: it has 3 to 24 letters, digits and hyphens and begins with a letter."
	}
	return azapi.WriteJSON(w, http.StatusOK, answer)
}
