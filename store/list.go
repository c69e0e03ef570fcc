package store

// A list is a doubly linked list. The links are fields of its entries, so that
// adding and removing an entry allocates no memory.
type list[T any] struct{ first, last *link[T] }

type link[T any] struct {
	prev, next *link[T]
	entry      T
}

// push adds an entry at the end.
func (l *list[T]) push(e *link[T]) {
	e.prev, e.next = l.last, nil
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
}

func (l *list[T]) remove(e *link[T]) {
	if e.prev == nil {
		l.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
}
