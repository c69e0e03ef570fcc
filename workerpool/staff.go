package workerpool

import (
	"cmp"
	"fmt"
	"slices"
)

// MaxWorkers is how many workers [Pool.SetWorkers] allows.
const MaxWorkers = 1000

// SetWorkers changes how many handlers run at once, for this generation and
// those that follow. More begin at once; those that are too many end after
// their handler, a loop application's at its next receive that begins new work.
func (p *Pool) SetWorkers(n int) error {
	if n < 1 || n > MaxWorkers {
		return fmt.Errorf("%d workers cannot be: from 1 to %d can", n, MaxWorkers)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return ErrClosed
	}
	p.wanted = n
	if p.current != nil {
		p.staffLocked()
		p.wakeAllLocked()
	}
	return nil
}

// staffLocked gives the current generation as many workers as are wanted. One
// that was to leave and has not is kept rather than another hired, so that no
// more than wanted run.
func (p *Pool) staffLocked() {
	staff := p.currentStaffLocked()
	for i, w := range staff {
		w.spare = i >= p.wanted
	}
	for range p.wanted - len(staff) {
		p.hireLocked(p.current)
	}
}

// currentStaffLocked answers the current generation's workers, the first to
// stay first: those that are busy, then those that have been there longest.
func (p *Pool) currentStaffLocked() (staff []*worker) {
	for w := range p.workers {
		if w.gen == p.current && !w.ending {
			staff = append(staff, w)
		}
	}
	idle := func(w *worker) int {
		if w.job == nil {
			return 1
		}
		return 0
	}
	slices.SortFunc(staff, func(a, b *worker) int {
		return cmp.Or(cmp.Compare(idle(a), idle(b)), cmp.Compare(a.number, b.number))
	})
	return staff
}
