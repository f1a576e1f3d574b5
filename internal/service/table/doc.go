// Package table serves what Table Storage has under *.table.core.windows.net
// before there is a table: the properties of the service and an empty list of
// tables. Tables and entities are not served.
package table
