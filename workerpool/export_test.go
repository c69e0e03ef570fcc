package workerpool

// Lanes answers how many connections the pool remembers.
func (p *Pool) Lanes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lanes)
}
