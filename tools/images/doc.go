// Command images builds aksess's container images from static binaries and
// pushes them to a registry.
//
//	images build -o DIR [-platforms linux/amd64,linux/arm64] [-version V] [-commit C] [NAME...]
//	images push -from DIR REGISTRY
//
// build needs Go and nothing else: no container runtime, no base image, no
// network beyond the modules. For each image it leaves in DIR
//
//	NAME/                       an OCI image layout: one index with an image for each platform
//	NAME.tar                    the same as one file, for `ctr images import`, `kind load image-archive`, `docker load`
//	NAME-linux-amd64.cdx.json   what is in the binary, CycloneDX, one for each platform
//	images.json                 names, digests and sizes of everything above
//
// The same commit, version and Go release give the same digests wherever the
// folder is: paths are trimmed, times are SOURCE_DATE_EPOCH or 1970, files are
// in one order, and the bill of materials has neither time nor serial number.
//
// push sends what build left, and attaches the bills of materials to the images
// as OCI referrers. Credentials are those of `docker login`.
package main
