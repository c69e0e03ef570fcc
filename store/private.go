package store

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"asgibox/internal/logkey"
)

// fileMode is the mode of the store's files. They contain browser sessions, the
// key that signs cookies, and the token of the control server.
const fileMode = 0o600

// makePrivate removes the access of other users to an existing file, which an
// earlier version or a copy may have made. File systems without modes refuse
// that, so a failure is only logged.
func makePrivate(path string, log *slog.Logger) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (info.IsDir() || info.Mode().Perm()&^fileMode == 0) {
		return
	}
	if err == nil {
		err = os.Chmod(path, fileMode)
	}
	if err != nil {
		log.Warn("other users may be able to read the store's file; change its mode to 0600", logkey.File, path, logkey.Error, err)
	}
}
