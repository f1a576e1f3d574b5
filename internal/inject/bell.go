package inject

// Bell tells one goroutine that something may have changed. Rings that come
// before it has looked are one. Make it with [NewBell].
type Bell chan struct{}

// NewBell returns a bell that has not been rung.
func NewBell() Bell { return make(Bell, 1) }

// Ring never waits. A nil bell is silent.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
