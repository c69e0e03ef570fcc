package process

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// dieWithServer makes a child end when the thread ends that started it, which is the
// end of the server, even by SIGKILL.
func dieWithServer(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// lives reports whether a process of a group still runs. One that has ended stays in the
// group until its parent notices.
func lives(group int) bool {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range all {
		stat, _ := os.ReadFile(name)
		fields := statFields(stat)
		if len(fields) > 2 && string(fields[2]) == strconv.Itoa(group) && string(fields[0]) != "Z" {
			return true
		}
	}
	return false
}
