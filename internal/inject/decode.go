package inject

import "encoding/json"

// What follows reads the narrow views of review.go and pod.go with a cursor.
// Each function names its keys twice: to read them, and to notice them in
// another case.

// readReview reads a review; it returns nil for what encoding/json has to read.
func readReview(body []byte) *review {
	c, r, seen := &cursor{data: body}, new(review), uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "apiVersion":
			c.once(&seen, 1)
			r.APIVersion = c.string()
		case "kind":
			c.once(&seen, 2)
			r.Kind = c.string()
		case "request":
			c.once(&seen, 4)
			r.Request = new(request)
			r.Request.read(c)
		default:
			c.other(key, "apiVersion", "kind", "request")
		}
	})
	if c.end(); c.odd {
		return nil
	}
	return r
}

func (r *request) read(c *cursor) {
	seen := uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "uid":
			c.once(&seen, 1)
			r.UID = c.string()
		case "namespace":
			c.once(&seen, 2)
			r.Namespace = c.string()
		case "operation":
			c.once(&seen, 4)
			r.Operation = c.string()
		case "subResource":
			c.once(&seen, 8)
			r.SubResource = c.string()
		case "dryRun":
			c.once(&seen, 16)
			r.DryRun = c.bool()
		case "resource":
			c.once(&seen, 32)
			r.readResource(c)
		case "object":
			c.once(&seen, 64)
			r.Object = new(Pod)
			r.Object.read(c)
		default:
			c.other(key, "uid", "namespace", "operation", "subResource", "dryRun", "resource", "object")
		}
	})
}

func (r *request) readResource(c *cursor) {
	seen := uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "group":
			c.once(&seen, 1)
			r.Resource.Group = c.string()
		case "resource":
			c.once(&seen, 2)
			r.Resource.Resource = c.string()
		default:
			c.other(key, "group", "resource")
		}
	})
}

// readPod reads a pod; it returns nil for what encoding/json has to read.
func readPod(raw []byte) *Pod {
	c, p := &cursor{data: raw}, new(Pod)
	p.read(c)
	if c.end(); c.odd {
		return nil
	}
	return p
}

func (p *Pod) read(c *cursor) {
	seen := uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "metadata":
			c.once(&seen, 1)
			p.Metadata.read(c)
		case "spec":
			c.once(&seen, 2)
			p.Spec.read(c)
		default:
			c.other(key, "metadata", "spec")
		}
	})
}

func (m *metadata) read(c *cursor) {
	seen := uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "name":
			c.once(&seen, 1)
			m.Name = c.string()
		case "generateName":
			c.once(&seen, 2)
			m.GenerateName = c.string()
		case "labels":
			c.once(&seen, 4)
			m.Labels = c.stringMap()
		case "annotations":
			c.once(&seen, 8)
			m.Annotations = c.stringMap()
		case "ownerReferences":
			c.once(&seen, 16)
			m.Owners = []Owner{}
			c.array(func() { m.Owners = append(m.Owners, readOwner(c)) })
		default:
			c.other(key, "name", "generateName", "labels", "annotations", "ownerReferences")
		}
	})
}

func readOwner(c *cursor) (o Owner) {
	seen := uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "apiVersion":
			c.once(&seen, 1)
			o.APIVersion = c.string()
		case "kind":
			c.once(&seen, 2)
			o.Kind = c.string()
		case "name":
			c.once(&seen, 4)
			o.Name = c.string()
		case "uid":
			c.once(&seen, 8)
			o.UID = c.string()
		case "controller":
			c.once(&seen, 16)
			o.Controller = c.bool()
		default:
			c.other(key, "apiVersion", "kind", "name", "uid", "controller")
		}
	})
	return o
}

func (s *spec) read(c *cursor) {
	seen := uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "serviceAccountName":
			c.once(&seen, 1)
			s.ServiceAccountName = c.string()
		case "serviceAccount":
			c.once(&seen, 2)
			s.OldServiceAccount = c.string()
		case "hostNetwork":
			c.once(&seen, 4)
			s.HostNetwork = c.bool()
		case "os":
			c.once(&seen, 8)
			s.OS.Name = readOne(c, "name", (*cursor).string)
		case "nodeSelector":
			c.once(&seen, 16)
			s.NodeSelector = c.stringMap()
		case "securityContext":
			c.once(&seen, 32)
			s.SecurityContext = readUser(c)
		case "resources":
			c.once(&seen, 64)
			s.Resources.read(c)
		case "volumes":
			c.once(&seen, 128)
			s.Volumes = []volume{}
			c.array(func() { s.Volumes = append(s.Volumes, readVolume(c)) })
		case "initContainers":
			c.once(&seen, 256)
			s.InitContainers = readContainers(c)
		case "containers":
			c.once(&seen, 512)
			s.Containers = readContainers(c)
		case "restartPolicy":
			c.once(&seen, 1024)
			s.RestartPolicy = c.string()
		case "hostPID":
			c.once(&seen, 2048)
			s.HostPID = c.bool()
		case "shareProcessNamespace":
			c.once(&seen, 4096)
			shared := c.bool()
			s.ShareProcessNamespace = &shared
		default:
			c.other(key, "serviceAccountName", "serviceAccount", "hostNetwork", "os", "nodeSelector", "securityContext", "resources",
				"volumes", "initContainers", "containers", "restartPolicy", "hostPID", "shareProcessNamespace")
		}
	})
}

// readOne reads an object of which one key matters.
func readOne[T any](c *cursor, name string, read func(*cursor) T) (value T) {
	seen := uint32(0)
	c.object(func(key []byte) {
		if string(key) != name {
			c.other(key, name)
			return
		}
		c.once(&seen, 1)
		value = read(c)
	})
	return value
}

func readUser(c *cursor) user {
	return user{RunAsUser: readOne(c, "runAsUser", func(c *cursor) *int64 {
		id := c.integer()
		return &id
	})}
}

func (r *podResources) read(c *cursor) {
	seen := uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "limits":
			c.once(&seen, 1)
			r.Limits = c.rawMap()
		case "requests":
			c.once(&seen, 2)
			r.Requests = c.rawMap()
		default:
			c.other(key, "limits", "requests")
		}
	})
}

func readVolume(c *cursor) (v volume) {
	seen := uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "name":
			c.once(&seen, 1)
			v.Name = c.string()
		case "projected":
			c.once(&seen, 2)
			v.Projected = json.RawMessage(c.raw())
		default:
			c.other(key, "name", "projected")
		}
	})
	return v
}

func readContainers(c *cursor) []container {
	containers := []container{}
	c.array(func() {
		containers = append(containers, container{})
		containers[len(containers)-1].read(c)
	})
	return containers
}

func (n *container) read(c *cursor) {
	seen := uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "name":
			c.once(&seen, 1)
			n.Name = c.string()
		case "env":
			c.once(&seen, 2)
			n.Env = []envName{}
			c.array(func() { n.Env = append(n.Env, envName{readOne(c, "name", (*cursor).string)}) })
		case "envFrom":
			c.once(&seen, 4)
			n.EnvFrom = []envFrom{}
			c.array(func() { n.EnvFrom = append(n.EnvFrom, envFrom{readOne(c, "prefix", (*cursor).string)}) })
		case "volumeMounts":
			c.once(&seen, 8)
			n.VolumeMounts = []mountRef{}
			c.array(func() { n.VolumeMounts = append(n.VolumeMounts, readMount(c)) })
		case "ports":
			c.once(&seen, 16)
			n.Ports = []port{}
			c.array(func() { n.Ports = append(n.Ports, port{readOne(c, "containerPort", (*cursor).integer)}) })
		case "securityContext":
			c.once(&seen, 32)
			n.SecurityContext = readUser(c)
		default:
			c.other(key, "name", "env", "envFrom", "volumeMounts", "ports", "securityContext")
		}
	})
}

func readMount(c *cursor) (m mountRef) {
	seen := uint32(0)
	c.object(func(key []byte) {
		switch string(key) {
		case "name":
			c.once(&seen, 1)
			m.Name = c.string()
		case "mountPath":
			c.once(&seen, 2)
			m.MountPath = c.string()
		default:
			c.other(key, "name", "mountPath")
		}
	})
	return m
}
