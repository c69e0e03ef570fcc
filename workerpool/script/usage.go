package script

import (
	"path/filepath"
	"sync/atomic"

	"asgibox/internal/fileset"
	"asgibox/workerpool"
)

// usage is the set of files that one generation has loaded, rendered, or looked
// for in vain. Names are relative to the application's folder.
type usage struct {
	loader *Loader
	files  fileset.Set
	live   atomic.Bool // the load has ended: clients may choose names
}

// add adds a file. Call it before the file is opened, so that no later change is
// missed.
func (u *usage) add(name string) {
	path, added, missing := u.path(name), false, false
	if u.live.Load() {
		added, missing = u.files.Add(path)
	} else {
		added = u.files.Keep(path)
	}
	if follow := u.loader.opts.Follow; added && follow != nil {
		follow(path, missing)
	}
}

func (u *usage) has(name string) bool { return u.files.Has(u.path(name)) }

func (u *usage) path(name string) string {
	return filepath.Join(u.loader.folder, filepath.FromSlash(name))
}

// Uses reports whether a change of the file needs a new generation: whether the
// last generation that loaded, or a load that began after it, has loaded or
// rendered the file or has looked for it in vain recently. The name is relative to the
// application's folder.
func (l *Loader) Uses(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range l.units {
		if u.usage.has(name) {
			return true
		}
	}
	return false
}

// Serves reports whether the application serves the file to browsers, so that
// open pages may show it.
func (l *Loader) Serves(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range l.units {
		if u.web.Serves(name) {
			return true
		}
	}
	return false
}

// began notes that a unit is being loaded.
func (l *Loader) began(u *unit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.units) > 1 {
		l.units = l.units[:1] // the load before this one failed
	}
	l.units = append(l.units, u)
}

// loaded forgets the applications before this one. A file of tests is none.
func (l *Loader) loaded(u *unit, app workerpool.Application) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u.usage.live.Store(true)
	l.units, l.latest = []*unit{u}, app
}
