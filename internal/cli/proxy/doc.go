// Package proxy is the command line of aksess-proxy: it reads flags and
// environment, puts the parts of imds together, opens the listeners and ends in
// order. `init` sets the redirection instead, `--probe` waits for a proxy.
//
// Flags and variables are those of upstream's proxy and its init image where
// they have them, so that either can stand in for the other; the rest is listed
// by --help. It decides nothing: what is answered is imds/proxy's.
package proxy
