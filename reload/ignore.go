package reload

import (
	"path/filepath"
	"strings"
)

// temporary tells by its name whether a file or folder is an editor's or a
// tool's own: hidden, a swap, lock or backup file, a log, perhaps ours, or a
// place where packages are installed by the ten thousand.
func temporary(name string) bool {
	switch name {
	case "", "node_modules", "__pycache__":
		return true
	}
	switch {
	case name[0] == '.', // hidden: .git, .asgibox, .app.star.swp (vim), .#app.star (Emacs)
		name[0] == '#' && name[len(name)-1] == '#', // Emacs
		name[len(name)-1] == '~',                   // vim, Emacs, gedit
		strings.HasPrefix(name, "~$"),              // office programs
		strings.Contains(name, "___jb_"),           // JetBrains
		strings.Contains(name, ".tmp."):            // tools that add a number
		return true
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".tmp", ".temp", ".swp", ".swo", ".swx", ".bak", ".log":
		return true
	}
	return vimProbe(name)
}

// vimProbe knows the file that vim creates to learn whether it may: 4913, or
// that plus 123 as often as there is such a file.
func vimProbe(name string) bool {
	n := 0
	for _, c := range name {
		if c < '0' || c > '9' || n > 1e6 {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n >= 4913 && n < 10000 && (n-4913)%123 == 0
}
