// Package demo walks the reference scenario on a local Azure: it creates the
// scenario's resources through Resource Manager, follows one pod's identity
// from admission to data, then breaks the chain link by link.
//
// It is a client like any other: everything it sees came over HTTP from the
// local Azure, from the pure decision of inject, or from the sample
// application that it runs. It decides nothing itself.
package demo
