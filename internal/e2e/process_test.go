package e2e

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// jobsApp queues a job for each request. Flags decide whether its workers do the
// jobs.
const jobsApp = `
def submit(message):
    layer.send("jobs", {"path": message["path"]})
    message.reply_channel.send({"status": 202, "content": "queued"})

def work(message):
    state.append("done", message["path"])
    log.info("did " + message["path"])

def done(message):
    message.reply_channel.send({"status": 200, "content": "\n".join(state.get("done", []))})

channel_routing = [
    route("http.request", done, path="^/done$"),
    route("http.request", submit),
    route("jobs", work),
]
`

func TestQueuedJobsSurviveKill9AndRunOnce(t *testing.T) {
	const jobs = 100
	app := writeApp(t, jobsApp)
	p := startProcess(t, app, "--exclude-channels", "jobs")
	var want []string
	for i := range jobs {
		path := "/job" + strconv.Itoa(i)
		want = append(want, path)
		if status, body := p.get(path); status != 202 {
			t.Fatalf("%d %s", status, body)
		}
	}
	p.kill()

	p = startProcess(t, app)
	for i := range jobs {
		p.waitFor("did /job" + strconv.Itoa(i) + `\b`)
	}
	// A server replies only with state that is on disk.
	_, body := p.get("/done")
	for _, path := range want {
		if n := strings.Count(body+"\n", path+"\n"); n != 1 {
			t.Errorf("%s was done %d times", path, n)
		}
	}
	p.kill()

	p = startProcess(t, app)
	p.get("/last") // earlier jobs would run before this one
	p.waitFor(`did /last\b`)
	if strings.Contains(p.out.String(), "did /job") {
		t.Errorf("jobs were done again:\n%s", p.out)
	}
}

// startProcess runs a server in a separate process.
func startProcess(t *testing.T, app string, args ...string) *process {
	t.Helper()
	return startBinary(t, binary(t), app, args...)
}

// startBinary runs a server whose binary is at a path.
func startBinary(t *testing.T, path, app string, args ...string) *process {
	t.Helper()
	p := &process{program: &program{TB: t, dir: filepath.Dir(app), out: newTranscript()}, ended: make(chan struct{})}
	args = append([]string{"run", app, "--port", "0"}, args...)
	p.cmd = exec.Command(path, args...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	p.url = p.appURL()
	return p
}

// process is the program in a separate process.
type process struct {
	*program
	cmd   *exec.Cmd
	ended chan struct{}
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // the process may have ended
	<-p.ended
}
