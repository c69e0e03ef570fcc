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
	wake chan struct{} // has room for one; receives when a handler stops

	mu      sync.Mutex // guards the rest
	choices *choices
	open    bool      // handlers do not stop
	waiting []stopped // by message
	last    uint64    // message of the handler that took the last step
	taken   []step
}

// A step is one that a handler has taken.
type step struct {
	script.Step
	switched bool   // another handler could have gone on
	fault    string // what happened to the message that the handler sent
}

// stopped is a handler that waits for its next step.
type stopped struct {
	step  script.Step
	going chan struct{} // closed when the handler may go on
}

func newSchedule(c *choices) *schedule {
	return &schedule{choices: c, wake: make(chan struct{}, 1)}
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
	last := slices.IndexFunc(s.waiting, func(h stopped) bool { return h.step.Message == s.last })
	i := s.choices.handler(len(s.waiting), max(last, 0))
	h := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	s.last = h.step.Message
	if len(s.taken) < maxKept {
		s.taken = append(s.taken, step{Step: h.step, switched: last >= 0 && i != last})
	}
	close(h.going)
	return true
}

// fault decides about the fault, which is less than limit, of a message that the
// running handler sends.
func (s *schedule) fault(channel string, limit int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := s.choices.fault(limit)
	if fault != noFault && len(s.taken) > 0 {
		s.taken[len(s.taken)-1].fault = map[int]string{
			dropped: "the message on " + channel + " is dropped", channelFull: "the channel " + channel + " is full",
		}[fault]
	}
	return fault
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
