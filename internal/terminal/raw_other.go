//go:build !linux && !darwin

package terminal

import "os"

func raw(*os.File, bool) (func(), error) { return nil, ErrNoTerminal }
