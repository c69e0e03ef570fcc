package python

// checkPrivate does nothing, because only the user can access the user's cache
// folder.
func checkPrivate(string) error { return nil }
