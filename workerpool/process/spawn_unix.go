//go:build !windows

package process

import (
	"os/exec"
	"syscall"
)

// separate makes a command start as the leader of a new process group.
func separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithServer(cmd.SysProcAttr)
}

// afterStart does nothing: the group exists already.
func afterStart(*exec.Cmd) (release func(), err error) { return func() {}, nil }

// terminate asks the processes of a group to end.
func terminate(cmd *exec.Cmd) { signalGroup(cmd, syscall.SIGTERM) }

// kill kills the processes of a group.
func kill(cmd *exec.Cmd) { signalGroup(cmd, syscall.SIGKILL) }

func signalGroup(cmd *exec.Cmd, s syscall.Signal) {
	if cmd.SysProcAttr == nil { // it shares the group of the server
		_ = cmd.Process.Signal(s)
		return
	}
	_ = syscall.Kill(-cmd.Process.Pid, s) // fails if they have ended
}

// killLeft kills the processes of a group whose leader has ended, and reports whether
// there were any.
func killLeft(cmd *exec.Cmd) bool {
	if cmd.SysProcAttr == nil || syscall.Kill(-cmd.Process.Pid, 0) != nil {
		return false
	}
	living := lives(cmd.Process.Pid)
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // fails if they have ended
	return living
}
