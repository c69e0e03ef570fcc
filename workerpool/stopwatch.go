package workerpool

import "time"

// A stopwatch measures how long a handler has run, for the handler timeout. It stands
// still while the handler waits for the body of its request, or for a worker after it has
// stepped aside. The pool's mutex guards it.
type stopwatch struct {
	since   time.Time     // when the handler started or last sent to its connection
	waited  time.Duration // in waits since then that have ended
	waits   int           // that have not ended
	stopped time.Time     // when the first of these began, or since if that is later
}

// restart begins a new measurement. The waits that have not ended go on.
func (s *stopwatch) restart(now time.Time) { s.since, s.waited, s.stopped = now, 0, now }

// stop begins a wait.
func (s *stopwatch) stop(now time.Time) {
	if s.waits == 0 {
		s.stopped = now
	}
	s.waits++
}

// resume ends a wait.
func (s *stopwatch) resume(now time.Time) {
	if s.waits--; s.waits == 0 {
		s.waited += now.Sub(s.stopped)
	}
}

// elapsed returns how long the handler has run, without its waits.
func (s *stopwatch) elapsed(now time.Time) time.Duration {
	if s.waits > 0 {
		now = s.stopped
	}
	return now.Sub(s.since) - s.waited
}

// stopClockLocked stops the handler timeout of the job while it waits.
func (j *Job) stopClockLocked(now time.Time) {
	if j.worker.job == j {
		j.worker.clock.stop(now)
	}
}

// resumeClockLocked ends what stopClockLocked has begun. The job may have ended meanwhile.
func (j *Job) resumeClockLocked(now time.Time) {
	if j.worker.job == j {
		j.worker.clock.resume(now)
	}
}
