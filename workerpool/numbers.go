package workerpool

// numbers are the numbers of workers, from 1. The zero value has given out none.
type numbers struct {
	taken  map[int]bool
	lowest int // all numbers below it are taken; 0 before the first call
}

// take returns the lowest free number and marks it as taken.
func (n *numbers) take() int {
	if n.taken == nil {
		n.taken, n.lowest = make(map[int]bool), 1
	}
	for n.taken[n.lowest] {
		n.lowest++
	}
	n.taken[n.lowest] = true
	return n.lowest
}

// free makes a number available again.
func (n *numbers) free(number int) {
	delete(n.taken, number)
	n.lowest = min(n.lowest, number)
}
