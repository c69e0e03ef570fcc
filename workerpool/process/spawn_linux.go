package process

import "syscall"

// dieWithServer makes a child end when the thread ends that started it, which is the
// end of the server, even by SIGKILL.
func dieWithServer(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
