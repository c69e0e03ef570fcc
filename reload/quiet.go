package reload

import "time"

// quiet is a timer that fires once there was no hint for the time settle, but
// at most ten times settle after the first hint. A program that writes all the
// time delays a scan, but cannot prevent it.
type quiet struct {
	C      <-chan time.Time
	timer  *time.Timer
	settle time.Duration
	since  time.Time // time of the first hint since the timer fired
}

func newQuiet(settle time.Duration) *quiet {
	t := time.NewTimer(settle)
	t.Stop()
	return &quiet{C: t.C, timer: t, settle: settle}
}

func (q *quiet) hint() {
	if q.since.IsZero() {
		q.since = time.Now()
	}
	left := time.Until(q.since.Add(10 * q.settle))
	q.timer.Reset(max(0, min(q.settle, left)))
}

// fireAfter makes the timer fire after a pause, or as usual if a hint comes
// first.
func (q *quiet) fireAfter(pause time.Duration) { q.timer.Reset(pause) }

// clear forgets the earlier hints.
func (q *quiet) clear() { q.since = time.Time{} }
func (q *quiet) stop()  { q.timer.Stop() }
