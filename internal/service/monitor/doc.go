// Package monitor is the resource provider Microsoft.OperationalInsights as far
// as clusters refer to it: Log Analytics workspaces, their keys, and those that
// were deleted and can be recovered. It keeps no logs.
//
// A workspace's name is unique in its resource group only, so that its deleted
// ones are kept here and not among arm's, which are found by name alone.
package monitor
