package script

import (
	"io"
	"io/fs"
	"os"
)

// isPrivate reports whether a file is never served: a source of the application,
// its settings, or a file of a server. It compares the files and not their
// names, because a file may have several.
func (u *unit) isPrivate(f io.ReaderAt, file fs.FileInfo) bool {
	if secret := u.loader.opts.Secret; secret != nil && secret(f) {
		return true
	}
	for _, path := range u.loader.opts.Private {
		if info, err := os.Stat(path); err == nil && os.SameFile(info, file) {
			return true
		}
	}
	for _, name := range u.sources.names() {
		if info, err := u.sources.root.Stat(name); err == nil && os.SameFile(info, file) {
			return true
		}
	}
	return false
}
