package store

import "fmt"

// CheckOps refuses with ErrInvalid what no backend may accept in one Apply.
func CheckOps(ops []Op) error {
	if len(ops) > MaxOps {
		return fmt.Errorf("%w: %d operations in one write, at most %d", ErrInvalid, len(ops), MaxOps)
	}
	for i := range ops {
		if err := checkOp(&ops[i]); err != nil {
			return fmt.Errorf("%w: operation %d on %s %.100q: %s", ErrInvalid, i, ops[i].Kind, ops[i].Key, err)
		}
	}
	return nil
}

func checkOp(op *Op) error {
	switch {
	case op.Kind == "" || op.Key == "":
		return fmt.Errorf("a kind and a key are needed")
	case len(op.Kind) > MaxKeyLength:
		return fmt.Errorf("kind of %d bytes, at most %d", len(op.Kind), MaxKeyLength)
	case len(op.Key) > MaxKeyLength:
		return fmt.Errorf("key of %d bytes, at most %d", len(op.Key), MaxKeyLength)
	case len(op.Value) > MaxValue:
		return fmt.Errorf("document of %d bytes, at most %d", len(op.Value), MaxValue)
	case op.Delete && op.Check:
		return fmt.Errorf("both a delete and a check")
	case (op.Delete || op.Check) && len(op.Value) > 0:
		return fmt.Errorf("a value with a delete or a check")
	}
	return nil
}

// Range is a Query as the half-open interval of keys [From, To).
type Range struct {
	From  string
	To    string // no upper end when Open
	Open  bool
	Limit int // > 0
}

// Range resolves the query. An interval that holds no key has From >= To and is not Open.
func (q Query) Range() Range {
	r := Range{From: q.Prefix, Limit: q.Limit}
	if q.After != "" {
		// The least key greater than After in bytewise order.
		r.From = max(r.From, q.After+"\x00")
	}
	if r.Limit <= 0 {
		r.Limit = DefaultLimit
	}
	r.To, r.Open = prefixEnd(q.Prefix)
	if q.Before != "" && (r.Open || q.Before < r.To) {
		r.To, r.Open = q.Before, false
	}
	return r
}

// Empty reports that no key lies in the interval.
func (r Range) Empty() bool { return !r.Open && r.From >= r.To }

// Contains reports whether key lies in the interval.
func (r Range) Contains(key string) bool { return key >= r.From && (r.Open || key < r.To) }

// prefixEnd returns the least key that is greater than every key beginning
// with prefix; a prefix of nothing but 0xff bytes has none.
func prefixEnd(prefix string) (end string, open bool) {
	for last := len(prefix) - 1; last >= 0; last-- {
		if prefix[last] != 0xff {
			return prefix[:last] + string([]byte{prefix[last] + 1}), false
		}
	}
	return "", true
}
