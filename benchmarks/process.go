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
	addr    string
	control string // address of the inspector; "off" without one
	cmd     *exec.Cmd
	pid     int
	dir     string // scratch folder of the server
	app     string // scratch file of the application, alone in its folder

	others  []*process // further servers of the row
	backend *process   // the Redis of them all; nil without one
}

// all returns the process and those that belong to it.
func (p *process) all() []*process {
	all := append([]*process{p}, p.others...)
	if p.backend != nil {
		all = append(all, p.backend)
	}
	return all
}

// stop interrupts a process that ctx does not interrupt.
func (p *process) stop() { p.cmd.Process.Signal(os.Interrupt) }

// wait waits for the end of a process that was interrupted, and removes its
// scratch folder.
func (p *process) wait() {
	if p == nil {
		return
	}
	for _, q := range p.all() {
		if q == p.backend {
			q.stop() // when its clients have ended
		}
		q.cmd.Wait() // ignores the error: it was interrupted
		if q.dir != "" {
			os.RemoveAll(q.dir)
		}
		if q.app != "" {
			os.RemoveAll(filepath.Dir(q.app))
		}
	}
}

// start starts a server of this program.
func start(ctx context.Context, name string, flags ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := interruptible(ctx, self, append([]string{"-serve", name}, flags...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server %s did not start: %w", name, err)
	}
	return &process{addr: strings.TrimSpace(line), cmd: cmd, pid: cmd.Process.Pid}, nil
}

// startProduct starts an application with asgibox run, with the store on disk and
// without an access log. If the view of the row is set, it also reads that view of
// the inspector.
func startProduct(ctx context.Context, program string, r *row) (p *process, err error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "asgibox-benchmark-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if p == nil {
			os.RemoveAll(dir)
		}
	}()
	control := "off"
	if r.view != "off" {
		other, err := freePort()
		if err != nil {
			return nil, err
		}
		control = "127.0.0.1:" + other
	}
	args := []string{"run", "--port", port, "--control", control,
		"--store", filepath.Join(dir, "channels.db"), "--max-body", "10GiB", "-q"}
	if r.group.name == "tls" {
		cert, key, err := writeCertificate(dir)
		if err != nil {
			return nil, err
		}
		args = append(args, "--tls-cert", cert, "--tls-key", key)
	}
	if r.app != "" {
		args = append(args, filepath.FromSlash(r.app))
	}
	cmd := interruptible(ctx, program, append(args, r.run...)...)
	cmd.Dir = filepath.FromSlash(r.dir)
	if p, err = startAt(cmd, "127.0.0.1:"+port); err != nil {
		return nil, err
	}
	p.dir, p.control = dir, control
	if r.run != nil && r.group.name != "processes-echo" {
		if err := awaitResponse(ctx, p.addr); err != nil {
			return p, err
		}
	}
	return p, watchView(ctx, control, r.view)
}

// startLimit is the time limit for the start of a server.
const startLimit = 10 * time.Second

// startAt starts a command and waits until it listens.
func startAt(cmd *exec.Cmd, addr string) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for start := time.Now(); time.Since(start) < startLimit; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return &process{addr: addr, cmd: cmd, pid: cmd.Process.Pid}, nil
		}
	}
	return nil, fmt.Errorf("%s did not start", strings.Join(cmd.Args, " "))
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

// build builds asgibox in a scratch folder, unless there is a program to measure. It
// returns a function that removes the folder.
func (o *options) build(ctx context.Context) (remove func(), err error) {
	if o.asgibox != "" {
		o.asgibox, err = filepath.Abs(o.asgibox) // some servers run in another folder
		return func() {}, err
	}
	progress("building asgibox")
	dir, err := os.MkdirTemp("", "asgibox-benchmark-")
	if err != nil {
		return nil, err
	}
	o.asgibox = filepath.Join(dir, "asgibox")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", o.asgibox, ".")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("build asgibox: %w; run this in the module's root or pass -asgibox", err)
	}
	return func() { os.RemoveAll(dir) }, nil
}

// tick is the unit of CPU times in /proc on Linux.
const tick = 10 * time.Millisecond

// cpu returns the CPU time that the process and those that belong to it have used.
func (p *process) cpu() (sum time.Duration, err error) {
	for _, q := range p.all() {
		used, err := q.ownCPU()
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// ownCPU returns the CPU time of the process and of its descendants, also of those
// that have ended.
func (p *process) ownCPU() (time.Duration, error) {
	own, err := stat(p.pid)
	if err != nil {
		return 0, fmt.Errorf("CPU time of a server: %w", err)
	}
	sum := own.used
	for _, pid := range descendants(p.pid) {
		if child, err := stat(pid); err == nil { // it may have ended meanwhile
			sum += child.used
		}
	}
	return sum, nil
}

// A processStat has what /proc says about a process.
type processStat struct {
	parent int
	used   time.Duration // CPU time, with that of children that have ended
}

func stat(pid int) (s processStat, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	// The second field, the program's name, may hold spaces.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, field := range fields[11:15] { // of the process and its children, user and system
		n, err := strconv.Atoi(field)
		if err != nil {
			return s, err
		}
		ticks += n
	}
	s.parent, err = strconv.Atoi(fields[1])
	s.used = time.Duration(ticks) * tick
	return s, err
}

// resident returns the resident memory of the process, in bytes.
func (p *process) resident() (int, error) { return p.memory("VmRSS") }

// peak returns the highest resident memory of the process so far, in bytes.
func (p *process) peak() (int, error) { return p.memory("VmHWM") }

func (p *process) memory(field string) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0, fmt.Errorf("memory of a server: %w", err)
	}
	_, rest, _ := strings.Cut(string(status), "\n"+field+":")
	var kib int
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		return 0, fmt.Errorf("memory of a server, %s: %w", field, err)
	}
	return kib << 10, nil
}
