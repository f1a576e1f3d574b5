// Package cli is the command line of aksess: one file for each subcommand. All
// flags and environment variables are read here and handed down as values.
//
// Exit codes: 0 done; 1 the command failed or a link of the chain is broken;
// 2 the command line is wrong. `run` and `exec` end with the code of the command
// they ran, 128 + N when signal N ended it, 125 when aksess itself failed, 126
// when the command could not be run and 127 when it was not found.
package cli
