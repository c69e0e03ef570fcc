//go:build unix

package python

import (
	"fmt"
	"os"
	"syscall"
)

// checkPrivate returns an error if another user may have put files into a folder,
// because Python would run them.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Getuid() || !info.IsDir() {
		return fmt.Errorf("%s does not belong to the user who runs asgibox; set XDG_CACHE_HOME to another folder", dir)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("other users may write to %s; run chmod 700 on it", dir)
	}
	return nil
}
