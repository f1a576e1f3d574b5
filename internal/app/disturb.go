package app

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
)

// FaultForm is one kind of failure that Config.Faults can ask for.
type FaultForm struct {
	Form string // "throttle=SERVICE[:COUNT[:SECONDS]]"
	Text string // what it does, for a person
}

// FaultForms are the failures of the real Azure that Config.Faults can make happen.
func FaultForms() []FaultForm {
	return []FaultForm{
		{"throttle=SERVICE[:COUNT[:SECONDS]]", "the service throttles COUNT times (1), each time for SECONDS (1): " + strings.Join(throttledServices(), ", ")},
		{"outage=entra[:SECONDS]", "the token service is unavailable for the first SECONDS, or as long as aksess runs"},
		{"conflict=federated-credentials[:COUNT]", "COUNT writes (1) of federated credentials meet another write under the same identity"},
		{"delay=federated-credentials:SECONDS", "a federated credential is unknown to the token service until SECONDS after it was written"},
		{"delay=role-assignments:SECONDS", "a role assignment grants nothing until SECONDS after it was made"},
	}
}

// Limits of what a fault can say.
const (
	maxFaultCount   = 1_000_000
	maxFaultSeconds = 24 * 60 * 60
)

// disturbances make failures of the real Azure happen, as the clock says. They
// are safe for concurrent use. nil makes none.
type disturbances struct {
	now             func() time.Time
	start           time.Time
	outage          bool
	outageFor       time.Duration // 0: to the end
	credentialDelay time.Duration
	assignmentDelay time.Duration

	mu        sync.Mutex
	throttles map[string]*throttling // by service
	conflicts int                    // how many are left
}

// throttling is what one service does to its callers. Who comes back before the
// time that it was told is refused again, and that does not count.
type throttling struct {
	left   int // how often it will begin
	length time.Duration
	until  time.Time
}

// parseFaults reads Config.Faults; none are nil. The error names the fault and
// what there is.
func parseFaults(specs []string, now func() time.Time) (*disturbances, error) {
	if len(specs) == 0 {
		return nil, nil
	}
	d := &disturbances{now: now, start: now(), throttles: map[string]*throttling{}}
	for _, spec := range specs {
		if err := d.add(spec); err != nil {
			return nil, fmt.Errorf("fault %.100q: %w", spec, err)
		}
	}
	return d, nil
}

func (d *disturbances) add(spec string) error {
	kind, rest, _ := strings.Cut(spec, "=")
	args := strings.Split(rest, ":")
	target, args := args[0], args[1:]
	switch {
	case kind == "throttle":
		return d.addThrottle(target, args)
	case kind == "outage" && target == "entra":
		seconds, err := numbers(args, maxFaultSeconds, 0)
		d.outage, d.outageFor = true, time.Duration(seconds[0])*time.Second
		return err
	case kind == "conflict" && target == "federated-credentials":
		count, err := numbers(args, maxFaultCount, 1)
		d.conflicts += count[0]
		return err
	case kind == "delay" && (target == "federated-credentials" || target == "role-assignments"):
		if len(args) == 0 {
			return fmt.Errorf("it lacks the seconds: delay=%s:SECONDS", target)
		}
		seconds, err := numbers(args, maxFaultSeconds, 0)
		delay := time.Duration(seconds[0]) * time.Second
		if target == "role-assignments" {
			d.assignmentDelay = delay
		} else {
			d.credentialDelay = delay
		}
		return err
	}
	forms := FaultForms()
	names := make([]string, len(forms))
	for i := range forms {
		names[i] = forms[i].Form
	}
	return fmt.Errorf("there is none of that name; there are %s", strings.Join(names, ", "))
}

func (d *disturbances) addThrottle(service string, args []string) error {
	if throttleOf(service) == nil {
		return fmt.Errorf("%q is no service that throttles; there are %s", service, strings.Join(throttledServices(), ", "))
	}
	n, err := numbers(args, maxFaultCount, 1, 1)
	if err != nil {
		return err
	}
	if n[1] > maxFaultSeconds {
		return fmt.Errorf("%d seconds are more than a day", n[1])
	}
	d.throttles[service] = &throttling{left: n[0], length: time.Duration(n[1]) * time.Second}
	return nil
}

// numbers reads whole numbers from 1 to most in the place of defaults.
func numbers(args []string, most int, defaults ...int) ([]int, error) {
	if len(args) > len(defaults) {
		return defaults, fmt.Errorf("%q is more than it takes", strings.Join(args[len(defaults):], ":"))
	}
	for i, arg := range args {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > most {
			return defaults, fmt.Errorf("%q is not a whole number from 1 to %d", arg, most)
		}
		defaults[i] = n
	}
	return defaults, nil
}

// disturb is the pipeline's hook: the failure that the request meets, or nil.
func (d *disturbances) disturb(r *azapi.Request) error {
	now := d.now()
	if r.Service.Name == "entra" && d.out(now) {
		return tokenOutage.New()
	}
	if wait := d.throttle(r.Service.Name, now); wait > 0 {
		return throttleOf(r.Service.Name)(r, wait)
	}
	if d.conflict(r) {
		id := strings.TrimSuffix(r.Scope(), "/")
		if cut := strings.LastIndex(strings.ToLower(id), "/federatedidentitycredentials/"); cut >= 0 {
			id = id[:cut]
		}
		return directory.ErrConcurrentWrites.New(id)
	}
	return nil
}

func (d *disturbances) out(now time.Time) bool {
	return d.outage && (d.outageFor == 0 || now.Before(d.start.Add(d.outageFor)))
}

// throttle returns for how many seconds a service wants to be left alone, 0 when it does not.
func (d *disturbances) throttle(service string, now time.Time) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.throttles[service]
	switch {
	case t == nil:
		return 0
	case now.Before(t.until):
	case t.left == 0:
		return 0
	default:
		t.left--
		t.until = now.Add(t.length)
	}
	return int((t.until.Sub(now) + time.Second - 1) / time.Second)
}

// credentialWrites are the operations that write federated credentials.
var credentialWrites = map[string]string{
	"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials.Put":    http.MethodPut,
	"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials.Delete": http.MethodDelete,
}

// conflict reports that a write of a federated credential comes too close to another one.
func (d *disturbances) conflict(r *azapi.Request) bool {
	if r.Operation == nil || credentialWrites[r.Operation.Name] == "" {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conflicts == 0 {
		return false
	}
	d.conflicts--
	return true
}
