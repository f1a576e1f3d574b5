package inject

import "strings"

// ending returns the arguments that make the proxy end after the pod's other
// containers, for a pod that is meant to end. As a sidecar it is ended by the
// kubelet; as an ordinary container it has to see for itself, and sees only what
// shares its process namespace.
func (m *mutation) ending() []string {
	s := &m.pod.Spec
	if !m.cfg.Proxy.Classic || s.RestartPolicy != "Never" && s.RestartPolicy != "OnFailure" {
		return nil
	}
	const goesOn = "the proxy, which is no sidecar here, does not end with the pod's containers, so the pod does not end by itself: "
	switch {
	case m.cfg.Proxy.PrivilegedInit:
		m.warn(goesOn + "upstream's proxy cannot")
		return nil
	case s.HostPID:
		m.warn(goesOn + "remove hostPID: true from its spec")
		return nil
	case s.ShareProcessNamespace == nil:
		m.op("add", "/spec/shareProcessNamespace", encode(true))
		m.warn("the proxy, which is no sidecar here, has to see when the pod's containers end, so they share a process namespace (shareProcessNamespace: true): " +
			"they see each other's processes, and none is process 1; set false to refuse")
	case !*s.ShareProcessNamespace:
		m.warn(goesOn + "set shareProcessNamespace: true in its spec")
		return nil
	}
	names := make([]string, len(s.Containers))
	for i := range s.Containers {
		names[i] = s.Containers[i].Name
	}
	args := []string{"--end-with=" + strings.Join(names, ",")}
	if s.RestartPolicy == "OnFailure" {
		args = append(args, "--end-with-restarts")
	}
	return args
}
