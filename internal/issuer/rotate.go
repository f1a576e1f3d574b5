package issuer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// errUnchanged ends an update that has nothing to write.
var errUnchanged = errors.New("unchanged")

// Ensure makes one key if one is missing: an active one or, with Standby, the
// next one. It waits for the pool.
func (r *Ring) Ensure(ctx context.Context) error {
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	return r.ensure(ctx)
}

func (r *Ring) ensure(ctx context.Context) error {
	v, err := r.current(ctx)
	if err != nil {
		return err
	}
	if v.signing(r.options.Now()) == nil || r.options.Standby && v.next() == nil {
		return r.add(ctx)
	}
	return nil
}

// next is the published key that no rotation has set a moment for.
func (v *view) next() *Key {
	for _, key := range v.keys {
		if key.Active.IsZero() {
			return key
		}
	}
	return nil
}

// add publishes one more key, active at once when no other signs.
func (r *Ring) add(ctx context.Context) error {
	key, err := r.options.Pool.Take(ctx)
	if err != nil {
		return fmt.Errorf("taking a signing key: %w", err)
	}
	now := r.options.Now()
	kid, certificate, err := r.options.Certify(key, now)
	if err != nil {
		return fmt.Errorf("certifying a signing key: %w", err)
	}
	encoded, err := key.MarshalPEM()
	if err != nil {
		return err
	}
	fresh := keyRecord{Kid: kid, PEM: encoded, Published: now}
	if certificate != nil {
		fresh.Certificate = certificate.Raw
	}
	return r.update(ctx, func(record *ringRecord) error {
		added := fresh
		if !slices.ContainsFunc(record.Keys, keyRecord.hasTurn) {
			added.Active = now
		} else if slices.ContainsFunc(record.Keys, func(k keyRecord) bool { return k.Active.IsZero() }) {
			return errUnchanged // another replica published the next key meanwhile
		}
		record.Keys = append(record.Keys, added)
		return nil
	})
}

// hasTurn reports whether the key signs now or from a moment that is set, and
// no rotation has ended that. One key of a ring does, unless it was revoked.
func (k keyRecord) hasTurn() bool { return !k.Active.IsZero() && k.Retired.IsZero() }

// Rotate sets the moment from which the next key signs and the active one does
// not, and returns it: now when the next key has been published for Overlap,
// else when it will have been. While such a moment lies ahead, Rotate returns
// it and changes nothing.
func (r *Ring) Rotate(ctx context.Context) (time.Time, error) {
	if err := r.lock(ctx); err != nil {
		return time.Time{}, err
	}
	defer r.unlock()
	return r.rotate(ctx)
}

func (r *Ring) rotate(ctx context.Context) (time.Time, error) {
	if err := r.ensure(ctx); err != nil {
		return time.Time{}, err
	}
	v, err := r.current(ctx)
	if err != nil {
		return time.Time{}, err
	}
	now := r.options.Now()
	for _, key := range v.keys {
		if key.Active.After(now) {
			return key.Active, nil
		}
	}
	if v.next() == nil {
		if err := r.add(ctx); err != nil {
			return time.Time{}, err
		}
	}
	outgoing := v.signing(now)
	if outgoing == nil {
		return time.Time{}, fmt.Errorf("signing keys %q: none is active", r.options.Key)
	}
	var moment time.Time
	err = r.update(ctx, func(record *ringRecord) error {
		moment = record.handOver(outgoing.Kid(), now, r.options.Overlap)
		return nil
	})
	if err != nil {
		return time.Time{}, err
	}
	return moment, r.ensure(ctx)
}

// handOver activates the next key after its overlap and retires the outgoing
// one then. When another replica did so meanwhile, its moment is returned.
func (record *ringRecord) handOver(outgoing string, now time.Time, overlap time.Duration) time.Time {
	from := slices.IndexFunc(record.Keys, func(k keyRecord) bool { return k.Kid == outgoing })
	to := slices.IndexFunc(record.Keys, func(k keyRecord) bool { return k.Active.IsZero() })
	if from < 0 || to < 0 {
		return now
	}
	if retired := record.Keys[from].Retired; !retired.IsZero() {
		return retired
	}
	moment := record.Keys[to].Published.Add(overlap)
	if moment.Before(now) {
		moment = now
	}
	record.Keys[from].Retired, record.Keys[to].Active = moment, moment
	return moment
}

// Revoke removes a key at once, as after it was stolen: no token signed with it
// is good any more. If it was active, another key signs from now on without overlap.
func (r *Ring) Revoke(ctx context.Context, kid string) error {
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	now := r.options.Now()
	err := r.update(ctx, func(record *ringRecord) error {
		i := slices.IndexFunc(record.Keys, func(k keyRecord) bool { return k.Kid == kid })
		if i < 0 {
			return fmt.Errorf("revoking %q: %w", kid, ErrNoKey)
		}
		record.Keys = slices.Delete(record.Keys, i, i+1)
		record.promote(now)
		return nil
	})
	if err != nil {
		return err
	}
	return r.ensure(ctx)
}

// promote gives the signing to the next key when no other has it. A key whose
// retirement was set for later keeps its turn.
func (record *ringRecord) promote(now time.Time) {
	for i := range record.Keys {
		k := &record.Keys[i]
		if signs := !k.Active.IsZero() && !k.Active.After(now) && (k.Retired.IsZero() || k.Retired.After(now)); signs {
			k.Retired = record.successor(now)
			return
		}
	}
	for i := range record.Keys {
		if k := &record.Keys[i]; k.Active.IsZero() || k.Active.After(now) {
			k.Active = now
			return
		}
	}
}

// successor is the moment from which another key signs, zero when none is set.
func (record *ringRecord) successor(now time.Time) time.Time {
	for _, k := range record.Keys {
		if k.Active.After(now) {
			return k.Active
		}
	}
	return time.Time{}
}

// Maintain makes missing keys, rotates when the active key is older than
// Period and drops keys whose last token has expired. Call it now and then.
func (r *Ring) Maintain(ctx context.Context) error {
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	if err := r.ensure(ctx); err != nil {
		return err
	}
	if err := r.ensure(ctx); err != nil { // each makes one key, and two may be missing
		return err
	}
	v, err := r.current(ctx)
	if err != nil {
		return err
	}
	now := r.options.Now()
	if key := v.signing(now); r.options.Period > 0 && key != nil && !now.Before(key.Active.Add(r.options.Period)) {
		if _, err := r.rotate(ctx); err != nil {
			return err
		}
	}
	return r.update(ctx, func(record *ringRecord) error {
		before := len(record.Keys)
		record.Keys = slices.DeleteFunc(record.Keys, func(k keyRecord) bool { return r.lapsed(k.Retired, now) })
		if len(record.Keys) == before {
			return errUnchanged
		}
		return nil
	})
}

func (r *Ring) update(ctx context.Context, change func(*ringRecord) error) error {
	_, err := r.records.Update(ctx, r.options.Key, func(record *ringRecord, _ bool) error { return change(record) })
	if errors.Is(err, errUnchanged) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("changing signing keys %q: %w", r.options.Key, err)
	}
	return nil
}

// lock lets one goroutine change the ring; the others wait as long as their context lasts.
func (r *Ring) lock(ctx context.Context) error {
	select {
	case <-r.change:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Ring) unlock() { r.change <- struct{}{} }
