package store

import "container/heap"

// A schedule is a heap of entries in the order of their times. Each entry stores
// its index, so that it can be moved or removed.
type schedule[T entry] []T

type entry interface {
	when() int64
	tie() uint64 // orders entries of one time
	index() *int // its index in the schedule; -1 if removed
}

func (s *schedule[T]) add(e T) { heap.Push((*sorter[T])(s), e) }

func (s *schedule[T]) remove(e T) { heap.Remove((*sorter[T])(s), *e.index()) }

// fix moves an entry after its time has changed.
func (s *schedule[T]) fix(e T) { heap.Fix((*sorter[T])(s), *e.index()) }

// next returns the first entry if it is due.
func (s schedule[T]) next(now int64) (e T, ok bool) {
	if len(s) == 0 || s[0].when() > now {
		return e, false
	}
	return s[0], true
}

// sorter implements heap.Interface for a schedule.
type sorter[T entry] []T

func (s sorter[T]) Len() int { return len(s) }
func (s sorter[T]) Less(i, j int) bool {
	if a, b := s[i].when(), s[j].when(); a != b {
		return a < b
	}
	return s[i].tie() < s[j].tie()
}
func (s sorter[T]) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	*s[i].index(), *s[j].index() = i, j
}

func (s *sorter[T]) Push(x any) {
	e := x.(T)
	*e.index() = len(*s)
	*s = append(*s, e)
}

func (s *sorter[T]) Pop() any {
	last := len(*s) - 1
	e := (*s)[last]
	var none T
	(*s)[last] = none
	*s = (*s)[:last]
	*e.index() = -1
	return e
}
