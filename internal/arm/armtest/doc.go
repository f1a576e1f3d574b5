// Package armtest runs Resource Manager for tests: the real pipeline and store
// over HTTP, with tokens that are just names of callers. The tests of arm and
// of the services that have resource types share it.
package armtest
