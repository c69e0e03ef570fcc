package script

// Waiting returns the number of pages that wait for a new generation.
func (l *Loader) Waiting() int {
	l.live.mu.Lock()
	defer l.live.mu.Unlock()
	return len(l.live.waiting)
}
