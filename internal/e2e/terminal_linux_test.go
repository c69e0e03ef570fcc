package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminalProgram is the program in a separate process with a pseudo-terminal.
type terminalProgram struct {
	*program
	ptmx   *os.File     // the test's end of the terminal
	tty    *os.File     // the program's end of the terminal
	before unix.Termios // at start
	ended  chan error
	cmd    *exec.Cmd
	opened string // file with the URLs that the program opened
}

// openTerminal returns the two ends of a new terminal: the test's and the
// program's.
func openTerminal(t *testing.T) (ptmx, tty *os.File) {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("this machine has no pseudo-terminals:", err)
	}
	t.Cleanup(func() { ptmx.Close() })
	if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return ptmx, tty
}

// newTerminalProgram prepares a new terminal in which start runs the program.
func newTerminalProgram(t *testing.T) *terminalProgram {
	t.Helper()
	ptmx, tty := openTerminal(t)
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return &terminalProgram{
		program: &program{TB: t, dir: t.TempDir(), out: newTranscript()},
		ptmx:    ptmx, tty: tty, before: *before, ended: make(chan error, 1),
	}
}

// start runs the program. The variable is added to the environment.
func (p *terminalProgram) start(variable string, args ...string) {
	p.Helper()
	p.cmd = exec.Command(binary(p.TB), args...)
	p.cmd.Env = append(os.Environ(), variable)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.tty, p.tty, p.tty
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	go func() { _, _ = io.Copy(p.out, p.ptmx) }() // ends with the terminal
	go func() { p.ended <- p.cmd.Wait() }()
	p.Cleanup(func() { _ = p.cmd.Process.Kill() })
}

// startInTerminal runs a server in a new terminal.
func startInTerminal(t *testing.T) *terminalProgram {
	t.Helper()
	p := newTerminalProgram(t)
	p.opened = filepath.Join(p.dir, ".opened")
	p.save("app.star", chatApp)
	bin := filepath.Join(p.dir, ".bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	opener := "#!/bin/sh\necho \"$1\" >> '" + p.opened + "'\n"
	if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte(opener), 0o755); err != nil {
		t.Fatal(err)
	}
	p.start("PATH="+bin+":"+os.Getenv("PATH"), "run", filepath.Join(p.dir, "app.star"), "--port", "0", "--control", "127.0.0.1:0", "--store", "memory")
	p.waitFor(`generation 1`)
	p.eventually("the program reads keys", func() bool {
		now, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
		return err == nil && now.Lflag&unix.ICANON == 0
	})
	return p
}

// press types a key.
func (p *terminalProgram) press(key string) {
	p.Helper()
	if _, err := p.ptmx.WriteString(key); err != nil {
		p.Fatal(err)
	}
}

// waitRestored waits until the program has ended with that status. The terminal
// must have its initial state.
func (p *terminalProgram) waitRestored(status int) {
	p.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.Fatalf("the program does not end; its output:\n%s", p.out)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.Errorf("exit status %d; output:\n%s", got, p.out)
	}
	now, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil || *now != p.before {
		p.Errorf("the terminal was left as %+v, %v", now, err)
	}
}

func TestTerminalKeys(t *testing.T) {
	p := startInTerminal(t)
	open, inspector := p.waitFor(`open +(http\S+)`)[1], p.controlURL()
	for key, url := range map[string]string{"o": open, "i": inspector} {
		p.press(key)
		p.eventually(key+" opens "+url, func() bool {
			b, _ := os.ReadFile(p.opened)
			return strings.Contains(string(b), url+"\n")
		})
	}
	p.press("r")
	p.waitFor(`reloaded app\.star, generation 2`)
	p.press("c")
	p.waitFor("\x1b\\[2J\x1b\\[3J\x1b\\[H(?s).*open +" + regexp.QuoteMeta(open) + ".*inspector +" + regexp.QuoteMeta(inspector))
	for _, key := range []string{"?", "h"} {
		before := strings.Count(p.out.String(), "lists the keys\r\n")
		p.press(key)
		p.eventually(key+" lists the keys", func() bool { return strings.Count(p.out.String(), "lists the keys\r\n") > before })
	}
	p.press("q")
	p.waitRestored(0)
}

func TestTerminalIsRestoredAtExit(t *testing.T) {
	for name, end := range map[string]func(*terminalProgram){
		"Ctrl-C":  func(p *terminalProgram) { p.press("\x03") },
		"SIGTERM": func(p *terminalProgram) { _ = p.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGHUP":  func(p *terminalProgram) { _ = p.cmd.Process.Signal(syscall.SIGHUP) },
	} {
		t.Run(name, func(t *testing.T) {
			// Otherwise the program inherits an ignored SIGHUP.
			signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
			t.Cleanup(func() { signal.Reset(syscall.SIGHUP) })
			p := startInTerminal(t)
			end(p)
			p.waitRestored(0)
		})
	}
}

func TestTerminalIsRestoredAfterCtrlBackslash(t *testing.T) {
	p := startInTerminal(t)
	p.press("\x1c")
	p.waitRestored(2) // the status that Go's runtime gives
	p.waitFor("SIGQUIT")
}

func TestNohupIgnoresHangup(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	t.Cleanup(func() { signal.Reset(syscall.SIGHUP) })
	p := startInTerminal(t)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.press("r")
	p.waitFor(`reloaded app\.star, generation 2`)
	p.press("q")
	p.waitRestored(0)
}

func TestBenchShowsItsProgressInATerminalAndEndsWithCtrlC(t *testing.T) {
	server := start(t, chatApp)
	ptmx, tty := openTerminal(t)
	p := &program{TB: t, out: newTranscript()}
	cmd := exec.Command(binary(t), "bench", "ws"+strings.TrimPrefix(server.url, "http")+"/", "-d", "1h", "-c", "1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	go func() { _, _ = io.Copy(p.out, ptmx) }() // ends with the terminal
	p.waitFor(`\r\x1b\[K[\d.]+ s of 3600 s  [1-9][\d,]* echoe?s?  [\d,]+/s  p50 `)
	if _, err := ptmx.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	p.waitFor(`\r\x1b\[K[\d,]+ echoe?s? in [\d.]+ s on 1 connection: [\d,]+/s, interrupted\r\n`)
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("bench ended with %v", cmd.ProcessState)
	}
}

func TestTheOverlayIsOnInATerminal(t *testing.T) {
	for _, args := range [][]string{nil, {"--overlay=false"}, {"--production"}} {
		p := newTerminalProgram(t)
		p.save("app.star", `channel_routing = [view("/", lambda request: "<body>x</body>")]`)
		p.start("TERM=dumb", append([]string{"run", filepath.Join(p.dir, "app.star"), "--port", "0", "--control", "off", "--store", "memory"}, args...)...)
		p.url = p.appURL()
		p.waitFor("generation 1")
		if _, body := p.get("/"); strings.Contains(body, "__asgibox__") != (args == nil) {
			t.Errorf("%q: %s", args, body)
		}
	}
}
