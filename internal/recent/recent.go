// Package recent remembers the newest of many names.
package recent

import (
	"container/list"
	"iter"
	"maps"
)

// Names is a set of the names that were added last. The zero Names is empty.
type Names struct {
	elements map[string]*list.Element
	order    list.List // of the names, the oldest first
}

// Has reports whether the set contains a name.
func (n *Names) Has(name string) bool { return n.elements[name] != nil }

// All returns the names in any order.
func (n *Names) All() iter.Seq[string] { return maps.Keys(n.elements) }

// Add makes a name the newest one. If there are more than limit names then, it removes
// the oldest one and returns it.
func (n *Names) Add(name string, limit int) (removed string) {
	if e := n.elements[name]; e != nil {
		n.order.MoveToBack(e)
		return ""
	}
	if n.elements == nil {
		n.elements = map[string]*list.Element{}
	}
	n.elements[name] = n.order.PushBack(name)
	if n.order.Len() > limit {
		removed = n.order.Remove(n.order.Front()).(string)
		delete(n.elements, removed)
	}
	return removed
}
