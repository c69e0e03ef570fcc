package workerpool

import "asgibox/asgi"

// Lanes returns the number of lanes.
func (p *Pool) Lanes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lanes)
}

// BorrowUnstartedProgram panics, because the program of the loop has not started.
func BorrowUnstartedProgram() { new(coroutine).borrow(asgi.Delivery{}) }
