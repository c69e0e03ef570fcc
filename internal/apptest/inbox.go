package apptest

import (
	"fmt"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"asgibox/workerpool/script/lib"
	"asgibox/workerpool/script/value"
)

// An inbox holds what a connection has received until the test asks for it.
type inbox[T starlark.Value] struct {
	mu      sync.Mutex // guards the rest
	items   []T
	ended   bool
	arrived chan struct{} // closed when there is an item, or no more will come
}

func newInbox[T starlark.Value]() *inbox[T] { return &inbox[T]{arrived: make(chan struct{})} }

func (i *inbox[T]) put(item T) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.items = append(i.items, item); len(i.items) == 1 {
		close(i.arrived)
	}
}

// end says that no more items come.
func (i *inbox[T]) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended = true; len(i.items) == 0 {
		close(i.arrived)
	}
}

// over reports whether no more items come.
func (i *inbox[T]) over() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ended
}

// next waits for an item and removes it. It returns false if no more items come.
func (i *inbox[T]) next(w *world, limit time.Duration, what string) (item T, ok bool, err error) {
	i.mu.Lock()
	arrived := i.arrived
	i.mu.Unlock()
	if err := w.wait(arrived, limit, what); err != nil {
		return item, false, err
	}
	item, ok = i.take()
	return item, ok, nil
}

// take removes the first item, if there is one.
func (i *inbox[T]) take() (item T, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.items) == 0 {
		return item, false
	}
	var none T
	item, i.items[0] = i.items[0], none // the rest of the array is freed with its last item
	i.items = i.items[1:]
	if len(i.items) == 0 && !i.ended {
		i.arrived = make(chan struct{})
	}
	return item, true
}

// receiveNothing implements receive_nothing(seconds=1): it fails if an item
// arrives meanwhile.
func receiveNothing[T starlark.Value](w *world, i *inbox[T], b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var seconds starlark.Value = starlark.MakeInt(1)
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "seconds?", &seconds); err != nil {
		return nil, err
	}
	d, err := lib.Seconds(b.Name(), seconds)
	if err != nil {
		return nil, err
	}
	if err := w.advance(d); err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.items) > 0 {
		return nil, fmt.Errorf("%s: received %s", b.Name(), value.Brief(i.items[0]))
	}
	return starlark.None, nil
}
