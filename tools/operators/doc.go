// Package operators pins the other projects that the chart can lean on, so that
// tests meet the real ones: cert-manager, whose controllers and cainjector the
// two commands here run, and Prometheus' operator, of which only the kinds are
// used. Their definitions are read where the module client unpacks them
// (`go mod download -json`), never copied; go.sum guards them.
//
// cert-manager's own commands are not in its module, so controller and
// cainjector put its public packages together instead.
package operators
