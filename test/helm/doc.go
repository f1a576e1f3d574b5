// Package helm renders the chart in deploy/helm/aksess with Helm's own
// libraries, and holds what is made from the chart: the plain manifests in
// deploy/manifests and the table of values in the chart's README.
//
// [Load] and [Chart.Render] are what `helm template` does, with the values
// checked against the chart's schema; the command in render writes, checks and
// prints. What Kubernetes thinks of the result is asked in the tests, of a real
// API server. Whether the objects work on a node is another tier's question.
package helm
