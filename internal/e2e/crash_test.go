package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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

func TestASecondCtrlCEndsTheProcessAtOnce(t *testing.T) {
	dir := dirWith(t, t.TempDir(), `
def hang(message):
    log.info("hanging")
    layer.receive(["nothing"], block=True)

channel_routing = {"http.request": hang}
`)
	p := spawn(t, dir, "--grace", "10m", "--handler-timeout", "-1")
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if r, err := http.Get(p.url); err == nil {
			r.Body.Close()
		}
	}()
	p.saw("hanging")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Skip("this system cannot interrupt a process:", err)
	}
	p.saw("stopping")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
		if status := p.cmd.ProcessState.ExitCode(); status != 130 {
			t.Errorf("exit status %d", status)
		}
	case <-time.After(patience):
		t.Error("it does not end")
		p.kill()
	}
	<-asked
}

func dirWith(t *testing.T, dir, app string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "app.star"), []byte(app), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
