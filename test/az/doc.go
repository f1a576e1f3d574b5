// Package az runs the unmodified Azure command line, the newest from PyPI and
// Debian's 2.45, against a local Azure: one script of testdata for each group
// of commands, with what they print.
//
// A script has a local Azure of its own, started with the options of its file
// up.options if it has one, and the environment that `aksess run` gives; nobody
// is signed in. Besides testscript's own commands there are
//
//	[!] json [FILE]   the standard output of the last exec is JSON that holds what FILE says
//	set NAME PATH     sets a variable from a member of that JSON: set ID properties.clientId
//	until COMMAND     runs a program until it succeeds
//	login             signs az in as the deployer
//	browse PROMPT     signs the user in on the page that the file PROMPT names, with the code there, once it does
//
// In FILE, a member or element that is there must be there; further members are
// no matter, further elements are. Texts may hold $VARIABLES, <guid>, <time>,
// <text> and <number>. The conditions [newest] and [debian] tell the two apart.
package az
