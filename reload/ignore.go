package reload

import (
	"path/filepath"
	"strconv"
	"strings"
)

// temporary reports whether the name is that of a file or folder which is not
// part of an application: hidden, a swap, lock or backup file of an editor, a
// log, or a folder of installed packages.
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
	return isVimProbe(name)
}

// isVimProbe reports whether the name is that of a file which vim creates to
// check that it may write to a folder: 4913 or, if that exists, 4913 plus a
// multiple of 123.
func isVimProbe(name string) bool {
	n, err := strconv.Atoi(name)
	return err == nil && n >= 4913 && n < 10000 && (n-4913)%123 == 0
}
