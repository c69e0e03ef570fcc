//go:build !linux && !darwin

package terminal

import "os"

func raw(*os.File) (func(), error) { return nil, ErrNoTerminal }
