package app

import (
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// What the services answer when they fail on demand, in their own words.
var (
	tokenOutage = &fault.Kind{
		Code: "AADSTS90033", Inner: "temporarily_unavailable", Status: http.StatusServiceUnavailable, Link: chain.LinkManagedIdentity,
		Format: "A transient error has occurred. Please try again.",
		Why:    "aksess was started with --fault outage=entra", Fix: "nothing: the client has to try again later",
	}
	managerThrottled = &fault.Kind{
		Code: "SubscriptionRequestsThrottled", Status: http.StatusTooManyRequests,
		Format: "Number of '%s' requests for subscription actor '%s:%s' exceeded. Please try again after '%d' seconds after additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.",
		Why:    "aksess was started with --fault throttle=arm", Fix: "nothing: the client has to wait as Retry-After says",
	}
	vaultThrottled = &fault.Kind{
		Code: "Throttled", Status: http.StatusTooManyRequests, Link: chain.LinkData,
		Format: "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
		Why:    "aksess was started with --fault throttle=keyvault", Fix: "nothing: the client has to wait and try again",
	}
	storeThrottled = &fault.Kind{
		Code: "too-many-requests", Status: http.StatusTooManyRequests, Link: chain.LinkData,
		Format: "Resource utilization has surpassed the assigned quota",
		Why:    "aksess was started with --fault throttle=appconfig", Fix: "nothing: the client has to wait as retry-after-ms says",
	}
	storageBusy = &fault.Kind{
		Code: "ServerBusy", Status: http.StatusServiceUnavailable, Link: chain.LinkData,
		Format: "Operations per second is over the account limit.",
		Why:    "aksess was started with --fault throttle=blob, queue, file or table", Fix: "nothing: the client has to wait and try again",
	}
	graphThrottled = &fault.Kind{
		Code: "TooManyRequests", Status: http.StatusTooManyRequests,
		Format: "Too Many Requests",
		Why:    "aksess was started with --fault throttle=graph", Fix: "nothing: the client has to wait as Retry-After says",
	}
)

// busy words that a service wants to be left alone for so many seconds.
type busy func(r *azapi.Request, seconds int) error

func throttles() map[string]busy {
	return map[string]busy{
		"arm": managerRefusal, "keyvault": plain(vaultThrottled), "appconfig": storeRefusal, "graph": plain(graphThrottled),
		"blob": storageRefusal, "queue": storageRefusal, "file": storageRefusal, "table": storageRefusal,
	}
}

func throttledServices() []string { return slices.Sorted(maps.Keys(throttles())) }

// throttleOf is how a service throttles, nil for one that does not.
func throttleOf(service string) busy { return throttles()[service] }

func plain(kind *fault.Kind) busy {
	return func(_ *azapi.Request, seconds int) error {
		return kind.New().SetHeader("Retry-After", strconv.Itoa(seconds))
	}
}

// managerRefusal: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
func managerRefusal(r *azapi.Request, seconds int) error {
	what := "write"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		what = "read"
	case http.MethodDelete:
		what = "delete"
	}
	subscription := r.Param("subscription")
	if subscription == "" {
		subscription = r.Caller.TenantID
	}
	return managerThrottled.New(what, subscription, r.Caller.ObjectID, seconds).
		SetHeader("Retry-After", strconv.Itoa(seconds)).
		SetHeader("x-ms-ratelimit-remaining-subscription-"+what+"s", "0")
}

// storeRefusal: https://learn.microsoft.com/azure/azure-app-configuration/rest-api-throttling
func storeRefusal(_ *azapi.Request, seconds int) error {
	refused := storeThrottled.New().
		SetHeader("Retry-After", strconv.Itoa(seconds)).
		SetHeader("retry-after-ms", strconv.Itoa(seconds*1000))
	refused.Detail = azapi.Problem{Type: "https://azconfig.io/errors/too-many-requests", Title: refused.Message}
	return refused
}

// storageRefusal: https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes,
// which names no header. Nothing tells the client how long to wait.
func storageRefusal(*azapi.Request, int) error { return storageBusy.New() }
