//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// exists reports whether a process exists that has not ended.
func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestProcessesEndWithTheirServer(t *testing.T) {
	app := filepath.Join(t.TempDir(), "app.py")
	if err := os.WriteFile(app, []byte(routedPython), 0o644); err != nil {
		t.Fatal(err)
	}
	flag := pythonFlag(t)
	for name, end := range map[string]func(*process){
		"kill -9": (*process).kill,
		"Ctrl-C": func(p *process) {
			if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
				p.Fatal(err)
			}
			<-p.ended
			if status := p.cmd.ProcessState.ExitCode(); status != 0 {
				p.Errorf("exit status %d:\n%s", status, p.out)
			}
		},
	} {
		p := startProcess(t, app, flag, "--set", "color=x")
		_, body := p.get("/pid")
		pid, err := strconv.Atoi(body)
		if err != nil || !exists(pid) {
			t.Fatalf("the process is %q", body)
		}
		end(p)
		p.eventually("the process has ended after "+name, func() bool { return !exists(pid) })
	}
}
