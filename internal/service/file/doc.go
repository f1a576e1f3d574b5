// Package file serves what Azure Files has under *.file.core.windows.net before
// there is a share: the properties of the service and an empty list of shares.
// Shares and files are not served.
package file
