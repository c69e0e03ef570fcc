package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// chatApp lets a client in when it is in the room: nothing that is said from
// then on passes it by.
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

const helloApp = `
def hello(message):
    message.reply_channel.send({"status": 200, "content": "hello"})

channel_routing = {"http.request": hello}
`

// saved writes a file of an application, and answers where.
func saved(t *testing.T, content string) string {
	t.Helper()
	app := filepath.Join(t.TempDir(), "app.star")
	if err := os.WriteFile(app, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return app
}

func dirWith(t *testing.T, dir, app string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "app.star"), []byte(app), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// echoApp is an application whose answers say which version gave them.
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

// copyOf copies a folder of the repository, so that tests may change it.
func copyOf(t testing.TB, folder string) string {
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
