package companions

import (
	"strings"
	"testing"
	"time"
)

// step is what runs from a time on.
type step struct {
	at      time.Duration
	running string // NAME/ID with spaces between them; ? for a process that nobody knows
}

// play looks at every step and a moment before the next, and says when the watch
// was over and why.
func play(d *decision, steps []step) (at time.Duration, why string) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, s := range steps {
		var running []Run
		unknown := false
		for field := range strings.FieldsSeq(s.running) {
			name, id, known := strings.Cut(field, "/")
			if unknown = unknown || !known; known {
				running = append(running, Run{name, id})
			}
		}
		times := []time.Duration{s.at}
		if i+1 < len(steps) {
			times = append(times, steps[i+1].at-time.Millisecond)
		}
		for _, at := range times {
			if why := d.look(begin.Add(at), running, unknown); why != "" {
				return at, why
			}
		}
	}
	return 0, ""
}

func TestDecision(t *testing.T) {
	const ms, s, m, h = time.Millisecond, time.Second, time.Minute, time.Hour
	for name, test := range map[string]struct {
		names    string
		restarts bool
		steps    []step
		at       time.Duration // 0: not over
		why      string
	}{
		"one":            {"a", false, []step{{0, ""}, {s, "a/1"}, {2 * s, ""}}, 2 * s, "all other containers have ended"},
		"still_runs":     {"a", false, []step{{0, ""}, {s, "a/1"}, {99 * h, "a/1"}}, 0, ""},
		"not_yet_there":  {"a", false, []step{{0, ""}, {99 * h, ""}}, 0, ""},
		"one_after_one":  {"a,b", false, []step{{0, "a/1"}, {s, ""}, {2 * s, "b/1"}, {3 * s, ""}}, 3 * s, "all other"},
		"second_missing": {"a,b", false, []step{{0, "a/1"}, {s, ""}, {59 * m, ""}}, 0, ""},
		"slow_image":     {"a,b", false, []step{{0, "a/1"}, {s, ""}, {59 * m, "b/1"}, {2 * h, "b/1"}, {3 * h, ""}}, 3 * h, "all other"},
		"unseen":         {"a,b", false, []step{{0, "a/1"}, {m, ""}, {m + h, ""}}, m + h, "not all have been seen"},
		"unseen_later":   {"a,b,c", false, []step{{0, "a/1"}, {m, ""}, {50 * m, "b/1"}, {55 * m, ""}, {m + h, ""}, {55*m + h, ""}}, 55*m + h, "not all have been seen"},
		"same_again":     {"a,b", false, []step{{0, "a/1"}, {s, ""}, {2 * s, "a/2"}, {3 * s, ""}, {4 * s, ""}}, 0, ""},
		"stranger":       {"a", false, []step{{0, "debug/1"}, {s, "debug/1 a/1"}, {2 * s, "debug/1"}}, 2 * s, "all other"},
		"stranger_alone": {"a", false, []step{{0, "debug/1"}, {s, ""}, {99 * h, ""}}, 0, ""},
		"unknown":        {"a", false, []step{{0, "a/1"}, {s, "?"}, {2 * s, "?"}, {3 * s, ""}}, 3 * s, "all other"},
		"unknown_first":  {"a", false, []step{{0, "?"}, {s, ""}, {2 * s, ""}}, 0, ""},

		"restarts_well":    {"a", true, []step{{0, "a/1"}, {s, ""}, {30 * s, ""}, {31 * s, ""}}, 31 * s, "all other"},
		"restarts_once":    {"a", true, []step{{0, "a/1"}, {s, ""}, {3 * s, "a/2"}, {4 * s, ""}, {63 * s, ""}, {64 * s, ""}}, 64 * s, "all other"},
		"restarts_at_once": {"a", true, []step{{0, "a/1"}, {s, "a/2"}, {2 * s, "a/3"}, {3 * s, ""}, {92 * s, ""}, {93 * s, ""}}, 93 * s, "all other"},
		"restarts_late":    {"a", true, []step{{0, "a/1"}, {s, ""}, {20 * s, "a/2"}, {21 * s, ""}, {75 * s, "a/3"}, {99 * h, "a/3"}}, 0, ""},
		"restarts_many":    {"a", true, []step{{0, "a/1 a/2 a/3 a/4 a/5 a/6 a/7 a/8 a/9"}, {s, ""}, {6 * m, ""}, {6*m + s, ""}}, 6*m + s, "all other"},
		"restarts_unknown": {"a", true, []step{{0, "a/1"}, {s, ""}, {20 * s, "?"}, {31 * s, "?"}, {32 * s, ""}, {62*s - 2*ms, ""}, {62*s - ms, ""}}, 62*s - ms, "all other"},
		"restarts_unseen":  {"a,b", true, []step{{0, "a/1"}, {s, "a/2"}, {2 * s, ""}, {59 * m, ""}}, 0, ""},
		// Each waits for its own: a has failed often, and long ago.
		"restarts_other":   {"a,b", true, []step{{0, "a/1 a/2 a/3 a/4 b/1"}, {s, "b/1"}, {h, ""}, {h + 29*s, ""}, {h + 30*s, ""}}, h + 30*s, "all other"},
		"restarts_shorter": {"a,b", true, []step{{0, "a/1 a/2 a/3 a/4 b/1"}, {s, "b/1"}, {2 * s, ""}, {151 * s, "a/5"}, {h, "a/5"}}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			at, why := play(newDecision(strings.Split(test.names, ","), test.restarts), test.steps)
			if at != test.at || !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
				t.Errorf("got the end at %s, %q, want it at %s, %q", at, why, test.at, test.why)
			}
		})
	}
}

// TestBackOff: the kubelet's, as it documents it
// (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
func TestBackOff(t *testing.T) {
	for starts, want := range []time.Duration{0, 0, 10, 20, 40, 80, 160, 300, 300} {
		if got := backOff(starts); got != want*time.Second {
			t.Errorf("after %d starts: got %s, want %s", starts, got, want*time.Second)
		}
	}
	if got := backOff(1 << 40); got != 5*time.Minute {
		t.Errorf("after very many starts: got %s, want 5m", got)
	}
}

// TestChanges: looks are far between only while nothing can start.
func TestChanges(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := newDecision([]string{"a", "b"}, true)
	for i, step := range []struct {
		after   time.Duration
		running []Run
		changes bool
	}{
		{0, nil, true},
		{0, []Run{{"a", "1"}}, true},
		{0, []Run{{"a", "1"}, {"b", "1"}}, false},
		{time.Hour, []Run{{"a", "1"}}, true},
		{29 * time.Second, []Run{{"a", "1"}}, true},
		{time.Second, []Run{{"a", "1"}}, false},
	} {
		now = now.Add(step.after)
		d.look(now, step.running, false)
		if got := d.changes(now); got != step.changes {
			t.Errorf("step %d: got %t, want %t", i, got, step.changes)
		}
	}
}
