package reload

import "time"

// quiet fires when hints have ceased for a while, or have gone on for ten
// times as long: a steady writer puts the look off but cannot prevent it.
type quiet struct {
	C      <-chan time.Time
	timer  *time.Timer
	settle time.Duration
	since  time.Time // the first hint that has not fired
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

// again fires once more after a pause, unless a hint comes first.
func (q *quiet) again(pause time.Duration) { q.timer.Reset(pause) }

func (q *quiet) over() { q.since = time.Time{} }
func (q *quiet) stop() { q.timer.Stop() }
