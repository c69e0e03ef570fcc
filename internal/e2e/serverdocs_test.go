package e2e

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"asgibox/internal/cli"
)

// proxiedApp shows what it learns about a client behind a proxy.
const proxiedApp = `
def page(request):
    return "%s %s %r %s" % (request.client[0], request.scheme, request.message["root_path"], request.client[1] == 1)

def upload(request):
    return str(len(request.body))

def stream(request):
    def pieces(write):
        write("first\n")
        layer.receive_many(["go"], block=True)
        write("second\n")
    return StreamingHttpResponse(pieces, content_type="text/plain")

def connect(message):
    message.reply_channel.send({"accept": True})

def echo(message):
    message.reply_channel.send({"text": message["text"]})

channel_routing = [
    view("/", page),
    view("/upload", upload, methods=["POST"]),
    view("/stream", stream),
    route("websocket.connect", connect),
    route("websocket.receive", echo),
]
`

// serverBlock returns the block of docs/server.md with the name.
func serverBlock(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```\\w+ " + regexp.QuoteMeta(name) + "\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("docs/server.md has no block %s", name)
	}
	return string(m[1])
}

// edited replaces each text in a configuration, which must contain it once.
func edited(t *testing.T, config string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(config, pairs[i]) != 1 {
			t.Fatalf("not once in the configuration: %q", pairs[i])
		}
		config = strings.Replace(config, pairs[i], pairs[i+1], 1)
	}
	return config
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestProxiesOfTheServerPage runs nginx and Caddy with the configurations of
// docs/server.md, and a client that tries to choose its address.
func TestProxiesOfTheServerPage(t *testing.T) {
	t.Run("nginx", func(t *testing.T) {
		program := proxyProgram(t, "nginx")
		p := startProxied(t)
		address, dir := freeAddress(t), t.TempDir()
		site := edited(t, serverBlock(t, "asgibox.conf"), "127.0.0.1:8000", strings.TrimPrefix(p.url, "http://"), "listen 80;", "listen "+address+";")
		config := "pid nginx.pid;\nmaster_process off;\ndaemon off;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			config += kind + "_temp_path " + filepath.Join(dir, kind) + ";\n"
		}
		file := filepath.Join(dir, "nginx.conf")
		writeFile(t, file, config+site+"}\n")
		runProxy(t, exec.Command(program, "-p", dir, "-e", "stderr", "-c", file), address)
		checkProxy(t, p, "http://"+address)
	})
	t.Run("Caddy", func(t *testing.T) {
		program := proxyProgram(t, "caddy")
		p := startProxied(t)
		address, dir := freeAddress(t), t.TempDir()
		site := edited(t, serverBlock(t, "Caddyfile"), "127.0.0.1:8000", strings.TrimPrefix(p.url, "http://"), "example.com {", "http://"+address+" {\n\tbind 127.0.0.1")
		file := filepath.Join(dir, "Caddyfile")
		writeFile(t, file, "{\n\tadmin off\n\tauto_https off\n}\n"+site)
		cmd := exec.Command(program, "run", "--config", file, "--adapter", "caddyfile")
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		runProxy(t, cmd, address)
		checkProxy(t, p, "http://"+address)
	})
}

func proxyProgram(t *testing.T, name string) string {
	t.Helper()
	for _, place := range []string{name, "/usr/sbin/" + name} { // which is not in the PATH of all users
		if path, err := exec.LookPath(place); err == nil {
			return path
		}
	}
	t.Skip("there is no " + name + " on this machine")
	return ""
}

func startProxied(t *testing.T) *program {
	t.Helper()
	return start(t, proxiedApp, "--store", "memory", "--production", "--proxy-headers", "--control", "127.0.0.1:0")
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// runProxy runs a proxy until the test ends, and waits until it listens.
func runProxy(t *testing.T, cmd *exec.Cmd, address string) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the proxy: %s", out.String())
		}
	})
	(&program{TB: t}).eventually("the proxy listens on "+address, func() bool {
		select {
		case <-ended:
			t.Fatal("the proxy has ended")
		default:
		}
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func checkProxy(t *testing.T, p *program, url string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"X-Forwarded-For": "10.9.9.9", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "1", "Daphne-Root-Path": "/chosen"} {
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != `127.0.0.1 http "" False` {
		t.Errorf("the application sees %s, %v", body, err)
	}

	resp, err = http.Post(url+"/upload", "application/octet-stream", bytes.NewReader(make([]byte, 3<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "3145728" {
		t.Errorf("an upload of 3 MiB: %s %s, %v", resp.Status, body, err)
	}

	resp, err = http.Get(url + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	piece := make([]byte, len("first\n"))
	if _, err := io.ReadFull(resp.Body, piece); err != nil || string(piece) != "first\n" {
		t.Errorf("the first piece: %q, %v", piece, err)
	}
	p.mustCommand("send", "go", "{}")
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "second\n" {
		t.Errorf("the rest: %q, %v", body, err)
	}

	behind := *p
	behind.url = url
	if got := behind.dial("/").exchange("hello"); got != "hello" {
		t.Errorf("through a WebSocket: %q", got)
	}
}

// TestUnitOfTheServerPage checks the command of the unit, and the whole unit if
// systemd is installed.
func TestUnitOfTheServerPage(t *testing.T) {
	unit := serverBlock(t, "asgibox.service")
	m := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/asgibox (.*)$`).FindStringSubmatch(unit)
	if m == nil {
		t.Fatal("the unit does not start /usr/local/bin/asgibox")
	}
	checkArguments(t, m[1])
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return // without systemd there is nothing to check it with
	}
	file := filepath.Join(t.TempDir(), "asgibox.service")
	writeFile(t, file, edited(t, unit, "/usr/local/bin/asgibox", binary(t), "User=asgibox", "User=root"))
	if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || strings.Contains(string(out), "asgibox.service") {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}

// TestContainerOfTheServerPage checks the program's arguments in the commands for
// containers, and those in the Dockerfile.
func TestContainerOfTheServerPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^\$ docker run .* asgibox (run .*)$`).FindSubmatch(page)
	if m == nil {
		t.Fatal("docs/server.md does not run the image")
	}
	checkArguments(t, string(m[1]))
	file, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	m = regexp.MustCompile(`(?m)^CMD \[(.*)\]$`).FindSubmatch(file)
	if m == nil {
		t.Fatal("the Dockerfile has no CMD")
	}
	checkArguments(t, strings.NewReplacer(`"`, "", ",", "").Replace(string(m[1])))
}

// checkArguments checks that a line has a command with flags that exist.
func checkArguments(t *testing.T, line string) {
	t.Helper()
	cmd, args, err := cli.NewRoot().Find(strings.Fields(line))
	if err == nil {
		err = cmd.ParseFlags(args)
	}
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

func TestReloadOfTheServerPage(t *testing.T) {
	p := start(t, helloApp, "--store", "memory", "--production", "--control", "127.0.0.1:0")
	p.waitFor("loaded app.star, generation 1")
	load := func() string {
		t.Helper()
		resp, err := http.Post(p.controlURL()+"api/reload", "", nil) // as curl -X POST does
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(body))
	}
	page, err := os.ReadFile("../../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	if got := load(); !strings.Contains(string(page), got+"\n") {
		t.Errorf("docs/server.md does not show the response %s", got)
	}
	p.save("app.star", "nothing()")
	if got := load(); !strings.Contains(got, "LoadFailed") || !strings.Contains(got, "app.star:1:1") {
		t.Errorf("the response for a file that does not load: %s", got)
	}
	if status, body := p.get("/"); status != 200 || body != "hello" {
		t.Errorf("afterwards: %d %s", status, body)
	}
}
