package queue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
)

const (
	resource   = "https://storage.azure.com"
	hostSuffix = ".queue.core.windows.net"

	queues         = storage.TypeAccount + "/queueServices/queues"
	actionService  = storage.TypeAccount + "/queueServices/read"
	queueRead      = queues + "/read"
	queueWrite     = queues + "/write"
	queueDelete    = queues + "/delete"
	messageRead    = queues + "/messages/read"
	messageWrite   = queues + "/messages/write"
	messageDelete  = queues + "/messages/delete"
	messageAdd     = queues + "/messages/add/action"
	messageProcess = queues + "/messages/process/action"
)

// Queues is the service.
type Queues struct {
	queues   *storage.Queues
	accounts *arm.View[*storage.Account]
}

// New returns the service for the accounts among the resources and the queues kept by c.
func New(resources *arm.Resources, c storage.Config) *Queues {
	decode := func(r *arm.Resource) (*storage.Account, error) {
		base := storage.Account{ID: r.ID, Name: r.Name, Location: r.Location}
		return storage.DecodeAccount(base, r.Properties, r.Private)
	}
	return &Queues{queues: storage.NewQueues(c), accounts: arm.NewView(resources, storage.TypeAccount, decode)}
}

// Service is the data plane
// (https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api).
func (q *Queues) Service() *azapi.Service {
	return &azapi.Service{
		Name:       "queue",
		Hosts:      []string{"*" + hostSuffix},
		Dialect:    azapi.DialectStorage,
		Version:    azapi.VersionHeader,
		Audiences:  []string{resource, "{host}"},
		Selectors:  []string{"restype", "comp", "peekonly"},
		Operations: append(q.queueOperations(), q.messageOperations()...),
		Target:     q.target,
		Refuse:     refuse,
		Decide:     decide,
		Headers:    headers,
	}
}

func (q *Queues) queueOperations() []azapi.Operation {
	op := func(name, method, comp, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{
			Name: name, Method: method, Pattern: "/{queue}", Query: map[string]string{"comp": comp},
			Action: azapi.Control(action), Scope: scope, Handle: handle,
		}
	}
	return []azapi.Operation{
		{Name: "ListQueues", Method: http.MethodGet, Pattern: "/", Query: map[string]string{"comp": "list"},
			Action: azapi.Control(queueRead), Scope: scope, Handle: q.listQueues},
		{Name: "GetServiceProperties", Method: http.MethodGet, Pattern: "/",
			Query:  map[string]string{"restype": "service", "comp": "properties"},
			Action: azapi.Control(actionService), Scope: scope, Handle: serviceProperties},
		op("CreateQueue", http.MethodPut, "", queueWrite, q.createQueue),
		op("DeleteQueue", http.MethodDelete, "", queueDelete, q.deleteQueue),
		op("GetQueueMetadata", http.MethodGet, "metadata", queueRead, q.getMetadata),
		op("HeadQueueMetadata", http.MethodHead, "metadata", queueRead, q.getMetadata),
		op("SetQueueMetadata", http.MethodPut, "metadata", queueWrite, q.setMetadata),
	}
}

func (q *Queues) messageOperations() []azapi.Operation {
	op := func(name, method, pattern, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{
			Name: name, Method: method, Pattern: pattern, Action: azapi.Data(action), Scope: scope, MaxBody: maxBody, Handle: handle,
		}
	}
	const all, one = "/{queue}/messages", "/{queue}/messages/{message}"
	peek := op("PeekMessages", http.MethodGet, all, messageRead, q.peek)
	peek.Query = map[string]string{"peekonly": "true"}
	receive := op("GetMessages", http.MethodGet, all, messageProcess, q.receive)
	notPeek := op("GetMessagesNotPeek", http.MethodGet, all, messageProcess, q.receive)
	notPeek.Query = map[string]string{"peekonly": "false"}
	return []azapi.Operation{
		op("PutMessage", http.MethodPost, all, messageAdd, q.put),
		peek, receive, notPeek,
		op("ClearMessages", http.MethodDelete, all, messageDelete, q.clear),
		op("DeleteMessage", http.MethodDelete, one, messageProcess, q.deleteMessage),
		op("UpdateMessage", http.MethodPut, one, messageProcess, q.update),
	}
}

// instead returns the data actions that together stand in for an operation's own
// (https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory#permissions-for-calling-data-operations).
func instead(operation string) []string {
	switch operation {
	case "PutMessage", "UpdateMessage":
		return []string{messageWrite}
	case "GetMessages", "GetMessagesNotPeek":
		return []string{messageDelete, messageRead}
	case "DeleteMessage":
		return []string{messageDelete}
	default:
		return nil
	}
}

func (q *Queues) target(ctx context.Context, r *azapi.Request) (azapi.Target, error) {
	name := strings.TrimSuffix(r.Host, hostSuffix)
	account, err := q.accounts.Get(ctx, name)
	if errors.Is(err, arm.ErrNotFound) {
		return azapi.Target{}, storage.AccountNotFound.New(name)
	}
	if err != nil {
		return azapi.Target{}, err
	}
	return azapi.Target{
		ID: account.ID, Name: account.Name, TenantID: account.TenantID, Location: account.Location,
		Network: account.Network, Resource: account,
	}, nil
}

func accountOf(r *azapi.Request) *storage.Account { return r.Target.Resource.(*storage.Account) }

// scope is the queue, as role assignments name it.
func scope(r *azapi.Request) string {
	account, ok := r.Target.Resource.(*storage.Account)
	if !ok {
		return ""
	}
	return account.QueueID(r.Param("queue"))
}

// decide asks the roles for the operation's action, else for those that stand in for it.
func decide(r *azapi.Request, grants func() ([]access.Grant, error)) (access.Verdict, error) {
	account := accountOf(r)
	if r.Caller.TenantID != account.TenantID {
		return access.Verdict{}, invalidToken(account, "Issuer validation failed. Issuer did not match.")
	}
	held, err := grants()
	if err != nil {
		return access.Verdict{}, err
	}
	own := r.DecideRole(r.Operation.Action, held)
	others := instead(r.Operation.Name)
	if own.Allowed || len(others) == 0 {
		return own, nil
	}
	var verdict access.Verdict
	for _, name := range others {
		verdict = r.DecideRole(azapi.Data(name), held)
		if !verdict.Allowed {
			return own, nil
		}
	}
	return verdict, nil
}

func headers(h http.Header, r *azapi.Request) {
	version := r.Header.Get("x-ms-version")
	if version == "" || len(version) > 32 {
		version = "2025-11-05"
	}
	h.Set("x-ms-version", version)
	h.Set("Cache-Control", "no-cache")
	h.Set("Server", "Windows-Azure-Queue/1.0 Microsoft-HTTPAPI/2.0")
}

// refuse words the pipeline's refusals as Storage does.
func refuse(r *azapi.Request, refusal azapi.Refusal) error {
	account, ok := r.Target.Resource.(*storage.Account)
	if !ok {
		return storage.AccountNotFound.New(r.ResourceName())
	}
	switch refusal.Stage {
	case azapi.StageNoToken:
		if r.HasQuery("sig") {
			return signed(account, "Shared access signatures are not served by aksess.")
		}
		return storage.NoAuthenticationInformation.New().SetHeader("WWW-Authenticate", challenge(account))
	case azapi.StageBadToken:
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if strings.HasPrefix(strings.ToLower(scheme), "sharedkey") {
			return signed(account, "Account keys are not served by aksess.")
		}
		return invalidToken(account, fmt.Sprintf("Token validation failed: %v.", refusal.Err))
	case azapi.StageAudience:
		return invalidToken(account, "Audience validation failed. Audience did not match.").
			Because("the token is for " + r.Caller.Audience + ", expected " + resource)
	case azapi.StageFirewall:
		return storage.AuthorizationFailure.New()
	case azapi.StageAccess:
		return storage.AuthorizationPermissionMismatch.New()
	case azapi.StageVersion:
		return badHeader("x-ms-version", r.Header.Get("x-ms-version"))
	}
	if len(refusal.Allow) > 0 {
		return storage.UnsupportedHTTPVerb.New().SetHeader("Allow", strings.Join(refusal.Allow, ", "))
	}
	return storage.NotServed.New(describe(r))
}

// describe names an operation by what distinguishes it on the wire.
func describe(r *azapi.Request) string {
	text := r.Method + " " + r.URL.Path
	sign := "?"
	for _, name := range []string{"restype", "comp"} {
		if value := r.Query(name); value != "" {
			text += sign + name + "=" + value
			sign = "&"
		}
	}
	return text
}
