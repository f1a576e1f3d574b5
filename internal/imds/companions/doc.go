// Package companions knows when the proxy is the last in its pod. As an ordinary
// container of a pod that is meant to end, a Job's, nothing ends it: it watches
// the containers that it is there for and ends after them.
//
// It owns who counts as a container of the pod and when all of them have ended,
// for good where the kubelet would start them again. The pod's containers share
// their process namespace for it, which the webhook sees to; what the proxy does
// at its end is proxy's.
//
// # How a container is known
//
// A process without a parent in the namespace is a container's first one, or one
// that was put into it later (a probe, kubectl exec). Which container it belongs
// to is in its list of mounts: the kubelet mounts a file for the termination
// message into each, from pods/UID/containers/NAME/RUN of its own folder, and
// makes another for each run. That is the same for every container runtime and
// version of cgroups, and it is there before the program runs, since a runtime
// creates a container and starts it in two steps. That one comes is announced:
// the kubelet writes the pod's hosts file before. Where there is no such mount,
// as in sandboxes with a kernel of their own, nobody is known, and the proxy does
// not end: too late is better than too early.
//
// Source: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html,
// https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/kubelet/kuberuntime/kuberuntime_container.go
// and kubelet_pods.go beside its folder.
package companions
