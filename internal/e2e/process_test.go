package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// jobsApp queues a job a request; who may work on it is up to the flags.
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

func TestQueuedJobsSurviveKillNineAndAreDoneOnce(t *testing.T) {
	const jobs = 100
	dir := t.TempDir()
	p := spawn(t, dirWith(t, dir, jobsApp), "--exclude-channels", "jobs")
	var want []string
	for i := range jobs {
		path := "/job" + itoa(i)
		want = append(want, path)
		if status, body := p.get(path); status != 202 {
			t.Fatalf("%d %s", status, body)
		}
	}
	p.kill()

	p = spawn(t, dir)
	for i := range jobs {
		p.saw("did /job" + itoa(i) + `\b`)
	}
	// The answer tells of what is on disk.
	_, body := p.get("/done")
	for _, path := range want {
		if n := strings.Count(body+"\n", path+"\n"); n != 1 {
			t.Errorf("%s was done %d times", path, n)
		}
	}
	p.kill()

	p = spawn(t, dir)
	p.get("/last") // whatever was left would be done before it
	p.saw(`did /last\b`)
	if strings.Contains(p.out.String(), "did /job") {
		t.Errorf("jobs were done again:\n%s", p.out)
	}
}

// spawn runs the program as a process of its own, to be killed.
func spawn(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{program: &program{TB: t, dir: dir, out: newTranscript()}, ended: make(chan struct{})}
	args = append([]string{"run", filepath.Join(dir, "app.star"), "--port", "0"}, args...)
	p.cmd = exec.Command(binary(t), args...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	p.url = strings.TrimSuffix(p.saw(`open +(http\S+)`)[1], "/")
	return p
}

type process struct {
	*program
	cmd   *exec.Cmd
	ended chan struct{}
}

// kill ends it as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}
