package e2e

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// TestBreakpointsInPython types into the debugger of Python in the terminal of
// asgibox run --debug, in a loop and in a WSGI application. The request waits without a
// time limit meanwhile.
func TestBreakpointsInPython(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	for name, source := range map[string]string{
		"loop": `
while True:
    _, request = layer.receive_many("http.request", block=True)
    value = 6
    breakpoint()
    layer.send(request["reply_channel"], {"status": 200, "content": "%d" % value})
`,
		"wsgi": `
def app(environ, start_response):
    value = 6
    breakpoint()
    start_response("200 OK", [])
    return [b"%d" % value]
`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newTerminalProgram(t)
			p.save("app.py", source)
			p.start("TERM=dumb", "run", filepath.Join(p.dir, "app.py"), "--port", "0", "--control", "off", "--store", "memory", "--debug", "--handler-timeout", "1s")
			url := p.appURL()
			replies := make(chan string, 1)
			go func() {
				resp, err := http.Get(url + "/")
				if err != nil {
					replies <- err.Error()
					return
				}
				defer resp.Body.Close()
				body, _ := io.ReadAll(resp.Body)
				replies <- string(body)
			}()
			p.waitFor(regexp.QuoteMeta("(Pdb) "))
			time.Sleep(1500 * time.Millisecond) // longer than --handler-timeout, which must not count
			p.press("p 'the value is %d' % (value + 1)\n")
			p.waitFor(`the value is 7`)
			p.press("value = 42\n")
			p.press("c\n")
			select {
			case got := <-replies:
				if got != "42" {
					t.Errorf("the response is %q; the terminal shows:\n%s", got, p.out)
				}
			case <-time.After(patience):
				t.Fatalf("no response; the terminal shows:\n%s", p.out)
			}
			if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			select {
			case <-p.ended:
			case <-time.After(patience):
				t.Fatalf("the program does not end; the terminal shows:\n%s", p.out)
			}
		})
	}
}
