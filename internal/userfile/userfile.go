// Package userfile opens files whose paths users give. A path may lead to a
// folder, a device or a named pipe, which would block the program for ever or
// fail with the words of a system call. The errors of this package say what the
// path leads to.
package userfile

import (
	"io"
	"io/fs"
	"os"
)

// A KindError says that a path does not lead to a file of the necessary kind.
type KindError struct{ kind string }

func (e *KindError) Error() string { return "it is " + e.kind + ", not a regular file" }

// Check returns a [KindError] if the file is not a regular one.
func Check(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return &KindError{"a folder"}
	case mode&fs.ModeNamedPipe != 0:
		return &KindError{"a named pipe"}
	case mode&fs.ModeSocket != 0:
		return &KindError{"a socket"}
	case mode&fs.ModeDevice != 0:
		return &KindError{"a device"}
	}
	return &KindError{"a special file"}
}

// Open opens a regular file for reading.
func Open(path string) (*os.File, error) { return open(path, os.Stat, os.Open) }

// Read returns the content of a regular file.
func Read(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// ReadStart returns the first bytes of a regular file, at most n.
func ReadStart(path string, n int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, n))
}

// OpenIn opens a regular file in a folder for reading.
func OpenIn(root *os.Root, name string) (*os.File, error) { return open(name, root.Stat, root.Open) }

func open(name string, stat func(string) (fs.FileInfo, error), open func(string) (*os.File, error)) (*os.File, error) {
	info, err := stat(name)
	if err != nil {
		return nil, err
	}
	if err := Check(info); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return open(name)
}

// Private is the mode of a file that only its owner can read.
const Private fs.FileMode = 0o600

// Write opens a file for writing, with flags of [os.OpenFile] besides
// os.O_WRONLY, and a mode for a new file. An existing one keeps its mode. The path may also lead to a device, or to a named pipe that another
// process reads.
func Write(path string, flag int, mode fs.FileMode) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().Type()&(fs.ModeDir|fs.ModeSocket) != 0 {
		return nil, &fs.PathError{Op: "open", Path: path, Err: Check(info)}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|nonblock|flag, mode)
	if isUnread(err) {
		err = &fs.PathError{Op: "open", Path: path, Err: errUnread}
	}
	return f, err
}
