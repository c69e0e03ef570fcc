package script

// Names returns the names that every file can use.
func (l *Loader) Names() ([]string, error) {
	u, err := l.open(1)
	if err != nil {
		return nil, err
	}
	defer u.close()
	return u.names.Keys(), nil
}
