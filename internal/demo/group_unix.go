//go:build unix

package demo

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps the keys of the terminal from the server: Ctrl-C reaches only
// the parent, which stops the server.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
