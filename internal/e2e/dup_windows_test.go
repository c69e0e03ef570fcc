package e2e

import (
	"errors"
	"os"
)

func dup(*os.File) (int, error) { return 0, errors.ErrUnsupported }
