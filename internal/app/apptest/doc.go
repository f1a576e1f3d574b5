// Package apptest serves every service of the local Azure for tests: the real
// pipeline, store, role assignments, directory and issuers behind Azure's host
// names, in process, with tokens that are just a caller's name and an audience.
//
// Tests of one service use it to meet the others as they are; how tokens are
// made and checked is entra's own business and not looked at here.
package apptest
