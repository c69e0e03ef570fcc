package store

import "container/heap"

// A schedule orders what must be looked at by when; what comes first is
// first. Its entries know their place, so that they can move or leave.
type schedule[T entry] []T

type entry interface {
	when() int64 // to be looked at
	tie() uint64 // among those of one time
	index() *int // where it is kept in its schedule
}

func (s *schedule[T]) add(e T) { heap.Push((*sorter[T])(s), e) }

func (s *schedule[T]) remove(e T) { heap.Remove((*sorter[T])(s), *e.index()) }

// fix is called after an entry's time has changed.
func (s *schedule[T]) fix(e T) { heap.Fix((*sorter[T])(s), *e.index()) }

// next answers the first entry if its time has come.
func (s schedule[T]) next(now int64) (e T, ok bool) {
	if len(s) == 0 || s[0].when() > now {
		return e, false
	}
	return s[0], true
}

// sorter is the schedule as container/heap wants it.
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
