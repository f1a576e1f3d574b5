// Package sdk tests the local Azure with the SDKs that applications use, none
// of them changed and none of them told that it is not Azure: what `aksess run`
// and `aksess exec` set, and what the webhook injects, is all that they get.
//
// Package deploy makes the reference scenario with Resource Manager's clients,
// package dataplane reads and writes it as the workload, package managed is a
// workload that knows only managed identities, js does both in JavaScript, and
// ../clients in Python and Java. The tests here start the programs and judge what
// they report; they link nothing of the local Azure.
package sdk
