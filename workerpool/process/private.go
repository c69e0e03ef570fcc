package process

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// isPrivate reports whether a file must not be served: a source file, settings, or a
// file of a server. It compares the files too, because a file may have several names.
func (l *Loader) isPrivate(f io.ReaderAt, file os.FileInfo) bool {
	if isSource(file.Name()) || l.opts.Secret != nil && l.opts.Secret(f) {
		return true
	}
	private := slices.Concat(l.sources(), l.opts.Private, []string{filepath.Join(l.opts.Folder, ".env")})
	return slices.ContainsFunc(private, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && os.SameFile(info, file)
	})
}

// sources returns the source files in the application's folder that it uses.
func (l *Loader) sources() (paths []string) {
	inFolder := filepath.Clean(l.opts.Folder) + string(filepath.Separator)
	for _, f := range l.files.Kept() {
		if isSource(f) && strings.HasPrefix(f, inFolder) {
			paths = append(paths, f)
		}
	}
	return paths
}

func isSource(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".py", ".pyc", ".pyw":
		return true
	}
	return false
}
