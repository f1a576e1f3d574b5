package inject

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"
)

// rotation is everything about the certificates at one moment.
//
// An authority begins as next. Once API servers have been told to trust it, it
// is announced, and when the overlap is over it becomes current and signs; so
// no API server ever meets a certificate of an authority that it has not been
// told of. The one before is retired: still published, until every replica has
// had the time to change its certificate.
type rotation struct {
	current   *authority          // signs the leaf; nil at first
	next      *authority          // signs later; nil most of the time
	announced time.Time           // when next was published; zero while it is not
	retired   []*x509.Certificate // signed once
	since     time.Time           // when current took over; zero at first
	leaf      *tls.Certificate    // nil at first
}

// policy is for whom certificates are made and how long they live.
type policy struct {
	names []string
	lives Lives
	store string // names the store that authorities are kept in when replicas share it; "" otherwise
}

// owner marks authorities of a shared store, see [MergeBundle].
func (p policy) owner() []string {
	if p.store == "" {
		return nil
	}
	return []string{p.store}
}

// prepare makes the authority that is missing or will be soon, and forgets
// those that nobody serves a certificate of any more. What it returns has a
// bundle to be published. It reports whether anything changed; the receiver
// stays as it was.
func (r rotation) prepare(p policy, now time.Time) (prepared rotation, changed bool, err error) {
	kept := slices.DeleteFunc(slices.Clone(r.retired), func(c *x509.Certificate) bool { return r.forgotten(c, p, now) })
	if len(kept) != len(r.retired) {
		r.retired, changed = kept, true
	}
	if r.current != nil && !now.Before(r.current.certificate.NotAfter) {
		r.current, changed = nil, true
	}
	if r.next != nil && (!r.next.usable(p, now) || !now.Before(due(r.next.certificate))) {
		r.next, r.announced, changed = nil, time.Time{}, true
	}
	if r.next == nil && (r.current == nil || !r.current.usable(p, now) || !now.Before(due(r.current.certificate))) {
		if r.next, err = newAuthority(p, now); err != nil {
			return r, false, err
		}
		changed = true
	}
	return r, changed, nil
}

// forgotten reports whether a retired authority need not be published any more.
func (r rotation) forgotten(c *x509.Certificate, p policy, now time.Time) bool {
	if !now.Before(c.NotAfter) {
		return true
	}
	served := r.leaf == nil || r.leaf.Leaf.CheckSignatureFrom(c) == nil
	return !served && !r.since.IsZero() && !now.Before(r.since.Add(p.lives.Overlap))
}

// advance hands over to the next authority when its time has come and makes
// the leaf. Published says whether API servers have been told of the bundle.
func (r rotation) advance(p policy, now time.Time, published bool) (advanced rotation, changed bool, err error) {
	if published && r.next != nil {
		if r.announced.IsZero() || r.announced.After(now) {
			r.announced, changed = now, true
		}
		// Who has nothing to serve cannot do worse by serving at once.
		if inUse := r.serves(p, now); !inUse || !now.Before(r.announced.Add(p.lives.Overlap)) {
			r.retire(inUse)
			r.current, r.next, r.announced, r.since, changed = r.next, nil, time.Time{}, now, true
		}
	}
	if r.current == nil || !r.current.usable(p, now) || !r.leafDue(p, now) {
		return r, changed, nil
	}
	if r.leaf, err = r.current.leaf(p, now); err != nil {
		return r, false, err
	}
	return r, true, nil
}

// retire puts current among the retired. If the leaf is in use, it has been for
// the overlap at least, and authorities of others before it are forgotten.
func (r *rotation) retire(leafInUse bool) {
	retired := slices.Clone(r.retired)
	if r.current != nil {
		retired = append(retired, r.current.certificate)
	}
	if leafInUse {
		retired = slices.DeleteFunc(retired, func(c *x509.Certificate) bool { return r.leaf.Leaf.CheckSignatureFrom(c) != nil })
	}
	r.retired = retired
}

// usable reports whether the authority can sign for the policy's names now.
func (a *authority) usable(p policy, now time.Time) bool {
	return validAt(a.certificate, now) && a.permits(p.names)
}

// serves reports whether the leaf is good for the first name, which is the one
// that API servers call.
func (r rotation) serves(p policy, now time.Time) bool {
	if r.leaf == nil || !validAt(r.leaf.Leaf, now) || r.leaf.Leaf.VerifyHostname(p.names[0]) != nil {
		return false
	}
	signed := func(c *x509.Certificate) bool { return validAt(c, now) && r.leaf.Leaf.CheckSignatureFrom(c) == nil }
	return r.current != nil && signed(r.current.certificate) || slices.ContainsFunc(r.retired, signed)
}

// leafDue reports whether the leaf is missing, old, for other names or from
// another authority.
func (r rotation) leafDue(p policy, now time.Time) bool {
	if r.leaf == nil || !now.Before(due(r.leaf.Leaf)) || now.Before(r.leaf.Leaf.NotBefore) {
		return true
	}
	have := slices.Clone(r.leaf.Leaf.DNSNames)
	for _, ip := range r.leaf.Leaf.IPAddresses {
		have = append(have, ip.String())
	}
	want := slices.Clone(p.names)
	slices.Sort(have)
	slices.Sort(want)
	return !slices.Equal(have, want) || r.leaf.Leaf.CheckSignatureFrom(r.current.certificate) != nil
}

// wake is when the next step is due. Nothing is due by time while an authority
// waits to be published.
func (r rotation) wake(p policy, now time.Time) time.Time {
	at := now.Add(p.lives.Authority)
	sooner := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if r.leaf != nil {
		sooner(due(r.leaf.Leaf))
	}
	switch {
	case r.next == nil && r.current != nil:
		sooner(due(r.current.certificate))
	case !r.announced.IsZero():
		sooner(r.announced.Add(p.lives.Overlap))
	}
	for _, c := range r.retired {
		sooner(c.NotAfter)
		if !r.since.IsZero() {
			sooner(r.since.Add(p.lives.Overlap))
		}
	}
	return at
}

// authorities are what an API server must trust.
func (r rotation) authorities() []*x509.Certificate {
	var all []*x509.Certificate
	for _, a := range []*authority{r.current, r.next} {
		if a != nil {
			all = append(all, a.certificate)
		}
	}
	return append(all, r.retired...)
}

// bundle is authorities, PEM.
func (r rotation) bundle() []byte { return encodeCertificates(r.authorities()...) }
