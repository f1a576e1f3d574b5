package queue

import (
	"net/http"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

const (
	queues         = storage.TypeAccount + "/queueServices/queues"
	queueRead      = queues + "/read"
	queueWrite     = queues + "/write"
	queueDelete    = queues + "/delete"
	queueGetACL    = queues + "/getAcl/action"
	queueSetACL    = queues + "/setAcl/action"
	messageRead    = queues + "/messages/read"
	messageWrite   = queues + "/messages/write"
	messageDelete  = queues + "/messages/delete"
	messageAdd     = queues + "/messages/add/action"
	messageProcess = queues + "/messages/process/action"
)

// Queues is the service.
type Queues struct {
	*storageapi.Plane
	queues *storage.Queues
}

// New returns the service for the accounts among the resources and the queues kept by c.
func New(resources *arm.Resources, c storage.Config) *Queues {
	plane := storageapi.New("queue", "Windows-Azure-Queue/1.0 Microsoft-HTTPAPI/2.0", storageapi.Objects(), resources, c)
	q := &Queues{Plane: plane, queues: storage.NewQueues(c)}
	plane.Policies = func(r *azapi.Request) ([]storage.StoredPolicy, error) {
		queue, err := q.queue(r)
		return queue.Policies, err
	}
	return q
}

// Service is the data plane
// (https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api).
func (q *Queues) Service() *azapi.Service {
	s := q.Plane.Service(append(q.queueOperations(), q.messageOperations()...))
	s.Selectors = append(s.Selectors, "peekonly")
	s.Decide = decide
	common := s.Headers
	s.Headers = func(h http.Header, r *azapi.Request) {
		common(h, r)
		h.Set("Cache-Control", "no-cache")
	}
	return s
}

func (q *Queues) queueOperations() []azapi.Operation {
	op := func(name, method, comp, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{
			Name: name, Method: method, Pattern: "/{queue}", Query: map[string]string{"comp": comp},
			Action: azapi.Control(action), Scope: scope, Handle: handle,
		}
	}
	setACL := op("SetQueueACL", http.MethodPut, "acl", queueSetACL, q.setACL)
	setACL.MaxBody = storageapi.MaxPolicyBody
	return append(q.Plane.ServiceOperations(), []azapi.Operation{
		{Name: "ListQueues", Method: http.MethodGet, Pattern: "/", Query: map[string]string{"comp": "list"},
			Action: azapi.Control(queueRead), Scope: scope, Handle: q.listQueues},
		op("CreateQueue", http.MethodPut, "", queueWrite, q.createQueue),
		op("DeleteQueue", http.MethodDelete, "", queueDelete, q.deleteQueue),
		op("GetQueueMetadata", http.MethodGet, "metadata", queueRead, q.getMetadata),
		op("HeadQueueMetadata", http.MethodHead, "metadata", queueRead, q.getMetadata),
		op("SetQueueMetadata", http.MethodPut, "metadata", queueWrite, q.setMetadata),
		op("GetQueueACL", http.MethodGet, "acl", queueGetACL, q.getACL),
		op("HeadQueueACL", http.MethodHead, "acl", queueGetACL, q.getACL),
		setACL,
	}...)
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

// scope is the queue, as role assignments name it.
func scope(r *azapi.Request) string {
	account, ok := r.Target.Resource.(*storageapi.Call)
	if !ok {
		return ""
	}
	return account.QueueID(r.Param("queue"))
}

// decide asks the roles for the operation's action, else for those that stand in for it.
func decide(r *azapi.Request, grants func() ([]access.Grant, error)) (access.Verdict, error) {
	if err := storageapi.OwnTenant(r); err != nil {
		return access.Verdict{}, err
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
