package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A process is a server under load.
type process struct {
	addr string
	cmd  *exec.Cmd
}

// start starts a server of this program.
func start(ctx context.Context, name string, flags ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: interruptible(ctx, self, append([]string{"-serve", name}, flags...)...)}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server %s did not start: %w", name, err)
	}
	p.addr = strings.TrimSpace(line)
	return p, nil
}

// startProduct starts an application with asgibox run, with the store on disk and
// without an access log. If view is set, it also reads that view of the inspector.
func startProduct(ctx context.Context, program, app, view string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "asgibox-benchmark-")
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { os.RemoveAll(dir) })
	control := "off"
	if view != "off" {
		other, err := freePort()
		if err != nil {
			return nil, err
		}
		control = "127.0.0.1:" + other
	}
	p := &process{
		addr: "127.0.0.1:" + port,
		cmd: interruptible(ctx, program, "run", filepath.FromSlash(app), "--port", port, "--control", control,
			"--store", filepath.Join(dir, "channels.db"), "-q"),
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for range 100 {
		if c, err := net.Dial("tcp", p.addr); err == nil {
			c.Close()
			return p, watchView(ctx, control, view)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, fmt.Errorf("%s run %s did not start", program, app)
}

// interruptible returns a command that is interrupted when ctx ends and killed
// five seconds later.
func interruptible(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// build builds asgibox.
func build(ctx context.Context) (program string, err error) {
	dir, err := os.MkdirTemp("", "asgibox-benchmark-")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { os.RemoveAll(dir) })
	program = filepath.Join(dir, "asgibox")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build asgibox: %w; run this in the module's root or pass -asgibox", err)
	}
	return program, nil
}

// tick is the unit of CPU times in /proc on Linux.
const tick = 10 * time.Millisecond

// cpu returns the CPU time that the process has used.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("CPU time of a server: %w", err)
	}
	// The second field, the program's name, may hold spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick, err
}
