// Package server asks a real API server about the chart: whether it takes every
// object of every set of values, whether the webhook's pods fit Pod Security's
// restricted level, what the installed configuration selects, and whether the
// webhook lives with the rights that the chart gives it, with certificates of its
// own and with cert-manager's. It holds tests only.
//
// They need the programs that tools/kubernetes/build makes, in KUBE_BIN_DIR. What
// is other projects', kinds and cert-manager, comes from the modules that
// tools/operators pins.
package server
