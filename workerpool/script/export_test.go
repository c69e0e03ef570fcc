package script

// Waiting returns the number of pages that wait for a new generation.
func (l *Loader) Waiting() int {
	l.live.mu.Lock()
	defer l.live.mu.Unlock()
	return len(l.live.waiting)
}

// Names returns the names that every file can use.
func (l *Loader) Names() ([]string, error) {
	u, err := l.open(1)
	if err != nil {
		return nil, err
	}
	defer u.close()
	return u.names.Keys(), nil
}
