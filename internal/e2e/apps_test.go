package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// chatApp adds a client to the room before it accepts the client, so that the
// client receives every later message.
const chatApp = `
def connect(message):
    Group("room").add(message.reply_channel)
    message.reply_channel.send({"accept": True})

def receive(message):
    Group("room").send({"text": message["text"]})

def page(request):
    return "page of " + request.method

channel_routing = [
    view("/", page),
    view("/page", page),
    route("websocket.connect", connect),
    route("websocket.receive", receive),
]
`

// helloApp replies "hello" to every request.
const helloApp = `
def hello(message):
    message.reply_channel.send({"status": 200, "content": "hello"})

channel_routing = {"http.request": hello}
`

// writeApp writes app.star into a new folder and returns its path.
func writeApp(t testing.TB, content string) string {
	t.Helper()
	app := filepath.Join(t.TempDir(), "app.star")
	if err := os.WriteFile(app, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return app
}

// echoApp returns an application whose replies contain its version.
func echoApp(version string) string {
	return fmt.Sprintf(`
def connect(message):
    message.reply_channel.send({"accept": True})

def receive(message):
    message.reply_channel.send({"text": %q + message["text"]})

def request(message):
    message.reply_channel.send({"status": 200, "content": %q})

channel_routing = {"websocket.connect": connect, "websocket.receive": receive, "http.request": request}
`, version+" ", version)
}

// copyDir copies a folder of the repository, so that a test may change it.
func copyDir(t testing.TB, folder string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, ".asgibox")); err != nil {
		t.Fatal(err)
	}
	return dir
}
