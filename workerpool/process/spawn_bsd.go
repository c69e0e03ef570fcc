//go:build !windows && !linux

package process

import "syscall"

// dieWithServer does nothing: children end when they lose their connection.
func dieWithServer(*syscall.SysProcAttr) {}
