package apptest

import (
	"cmp"
	"slices"
	"sync"

	"asgibox/workerpool/script"
)

// A schedule lets one handler run at a time. A handler stops before every call
// that other handlers may notice, and goes on when the schedule chooses it.
type schedule struct {
	choose chooser
	wake   chan struct{} // has room for one; receives when a handler stops

	mu      sync.Mutex // guards the rest
	open    bool       // handlers do not stop
	waiting []stopped  // by message
	last    uint64     // message of the handler that took the last step
	taken   []script.Step
}

// A chooser returns the index of the step to take next. Waiting has at least one
// step, that of the oldest message first. Last is the index of the handler that
// took the last step, or -1 if it is not waiting.
type chooser func(waiting []script.Step, last int) int

// stopped is a handler that waits for its next step.
type stopped struct {
	step  script.Step
	going chan struct{} // closed when the handler may go on
}

// inOrder lets the handler that runs go on until it ends or waits for time, then
// the one with the oldest message.
func inOrder(_ []script.Step, last int) int { return max(last, 0) }

func newSchedule(choose chooser) *schedule {
	return &schedule{choose: choose, wake: make(chan struct{}, 1)}
}

// stop waits until the handler may take the step.
func (s *schedule) stop(step script.Step) {
	s.mu.Lock()
	if s.open {
		s.mu.Unlock()
		return
	}
	h := stopped{step, make(chan struct{})}
	at, _ := slices.BinarySearchFunc(s.waiting, step.Message+1, func(h stopped, id uint64) int { return cmp.Compare(h.step.Message, id) })
	s.waiting = slices.Insert(s.waiting, at, h)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	<-h.going
}

// next lets one handler go on. It reports whether any was waiting.
func (s *schedule) next() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return false
	}
	steps := make([]script.Step, len(s.waiting))
	last := -1
	for i, h := range s.waiting {
		steps[i] = h.step
		if h.step.Message == s.last {
			last = i
		}
	}
	i := s.choose(steps, last)
	h := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	s.last = h.step.Message
	s.taken = append(s.taken, h.step)
	close(h.going)
	return true
}

// end lets all handlers go on and stops none from now on.
func (s *schedule) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = true
	for _, h := range s.waiting {
		close(h.going)
	}
	s.waiting = nil
}
