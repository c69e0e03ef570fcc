package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startConsole runs the console in a new terminal.
func startConsole(t *testing.T, args ...string) *terminalProgram {
	t.Helper()
	p := newTerminalProgram(t)
	p.save("app.star", consoleApp)
	for i, arg := range args {
		if arg == "app.star" {
			args[i] = filepath.Join(p.dir, arg)
		}
	}
	p.start("XDG_STATE_HOME="+filepath.Join(p.dir, "state"), append([]string{"console"}, args...)...)
	p.waitFor(">>> ")
	return p
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	up    = "\x1b[A"
)

func TestConsoleInATerminal(t *testing.T) {
	server := start(t, consoleApp)
	p := startConsole(t, "--control", server.controlURL())
	p.press("state.set('rooms', ['red'])\r")
	p.waitFor(`\n\["red"\]\r`)
	p.press("state.get('ro\t') + \\\r['green']\r")
	p.waitFor(`\n\["red", "green"\]\r`)
	p.press("def twice(x):\r    return 2 * x\r\rtwice(21)\r")
	p.waitFor(`\n42\r`)
	p.press("{'a': 1}\r")
	p.waitFor("\\{\x1b\\[36m\"a\"\x1b\\[0m: 1\\}")
	p.press("1 // 0\r")
	p.waitFor(`<prompt \d+>:1:3: .*floored division by zero`)
	p.press("layer.new\t('reply?')[:6]\r")
	p.waitFor(`\n"reply\?"\r`)
	p.press("print('waiting'.upper()) or layer.receive_many(['jobs'], block=True)\r")
	p.waitFor("WAITING")
	p.press(ctrlC)
	p.waitFor("\ninterrupted\r")
	p.press("st\t")
	p.waitFor(`state +str`)
	p.press(ctrlC + "help\r")
	p.waitFor(`yours +twice`)
	p.press(ctrlD)
	p.waitRestored(0)
}

func TestConsoleCallsAreInterrupted(t *testing.T) {
	p := startConsole(t, "app.star")
	for name, call := range map[string]string{
		"blocked": "print('%s'.upper()) or layer.receive_many(['jobs'], block=True)\r",
		"endless": "def f():\r    print('%s'.upper())\r    while True:\r        pass\r\rf()\r",
		"asleep":  "print('%s'.upper()) or sleep(3600)\r",
	} {
		p.press(strings.Replace(call, "%s", name, 1))
		p.waitFor(strings.ToUpper(name))
		p.press("typed ahead" + ctrlC)
		p.press("'after' + ' " + name + "'\r")
		p.waitFor(`interrupted\r\n>>> .*\r\n"after ` + name + `"`)
	}
	p.press("half a line" + ctrlC + "'whole' + ' line'\r")
	p.waitFor(`\n"whole line"`)
	p.press("x = [\r" + ctrlC + "'new' + ' entry'\r")
	p.waitFor(`\n"new entry"`)
	url := p.waitFor(`at (http\S+)`)[1]
	p.press("http.get('" + url + "').text\r")
	p.waitFor(`\n"hello red"`)
	p.press("rooms\r")
	p.waitFor(`\n\["red", "blue"\]`)
	p.press(ctrlD)
	p.waitRestored(0)
}

func TestConsoleEndsWhileTheApplicationLoads(t *testing.T) {
	p := newTerminalProgram(t)
	p.save("app.star", "print('loading'.upper())\nwhile True:\n    pass\n")
	p.start("XDG_STATE_HOME="+p.dir, "console", filepath.Join(p.dir, "app.star"))
	p.waitFor("LOADING")
	p.press(ctrlC)
	p.waitRestored(0)
}

func TestConsoleKeepsItsHistory(t *testing.T) {
	p := startConsole(t, "app.star")
	p.press("'first' + ' entry'\r")
	p.waitFor(`\n"first entry"`)
	p.press(ctrlD)
	p.waitRestored(0)
	file := filepath.Join(p.dir, "state", "asgibox", "console_history")
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "'first' + ' entry'\n" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}

	again := newTerminalProgram(t)
	again.start("XDG_STATE_HOME="+filepath.Join(p.dir, "state"), "console", filepath.Join(p.dir, "app.star"))
	again.waitFor(">>> ")
	again.press(up + "\r")
	again.waitFor(`\n"first entry"`)
	again.press(ctrlD)
	again.waitRestored(0)
}
