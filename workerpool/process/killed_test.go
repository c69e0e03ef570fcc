//go:build !windows

package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestChildrenEndWhenTheServerIsKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), program("server").Env...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	var socket string
	if _, err := fmt.Fscan(out, &pid, &socket); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(filepath.Dir(socket))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	end := time.Now().Add(deadline)
	for syscall.Kill(pid, 0) == nil && !isZombie(pid) {
		if time.Now().After(end) {
			t.Fatalf("the child %d still runs", pid)
		}
		time.Sleep(time.Millisecond)
	}
}

// isZombie reports whether a process has ended, but its parent does not wait for it.
func isZombie(pid int) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(stat), ") Z ")
}
