package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/store"
	"asgibox/workerpool/process/wire"
)

// TestMain runs the test binary as a child if a test has started it as one.
func TestMain(m *testing.M) {
	if role := os.Getenv("PROCESS_TEST_CHILD"); role != "" {
		children[role](os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// children are the programs that tests run as children.
var children = map[string]func(args []string){
	"hello":      helloChild,
	"silent":     func([]string) { time.Sleep(time.Hour) },
	"exit":       func(args []string) { fmt.Fprintln(os.Stderr, "first line\nlast line"); os.Exit(3) },
	"refuses":    refusesChild,
	"routed":     routedChild,
	"early":      earlyChild,
	"breaks":     breaksChild,
	"stubborn":   stubbornChild,
	"output":     outputChild,
	"bad":        badChild,
	"twice":      twiceChild,
	"leaves":     leavesChild,
	"http":       httpChild,
	"server":     serverChild,
	"sends":      sendsChild,
	"concurrent": concurrentChild,
	"many":       manyChild,
	"frozen":     frozenChild,
}

// A client is the other end of a connection, as a program has it.
type client struct {
	net net.Conn
	r   *wire.Reader
	w   *wire.Writer
	id  int64
}

// dial connects to the server and says hello, as the environment says.
func dial() *client {
	c, err := tryDial(os.Getenv("ASGIBOX_SOCKET"), os.Getenv("ASGIBOX_TOKEN"), os.Getpid())
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot connect:", err)
		os.Exit(1)
	}
	return c
}

func dialRaw(socket string) (*client, error) {
	nc, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	return &client{net: nc, r: wire.NewReader(nc, 100<<20), w: wire.NewWriter(nc)}, nil
}

func tryDial(socket, token string, pid int) (*client, error) {
	c, err := dialRaw(socket)
	if err != nil {
		return nil, err
	}
	head, err := c.call("hello", "version", 1, "token", token, "pid", pid, "agent", "test")
	if err == nil && head == nil {
		err = fmt.Errorf("no answer")
	}
	return c, err
}

// fields makes the fields of a frame of keys and values.
func fields(pairs ...any) asgi.Fields {
	var f asgi.Fields
	for i := 0; i < len(pairs); i += 2 {
		v, err := asgi.Converter(nil).Value(pairs[i+1])
		if err != nil {
			panic(err)
		}
		f = append(f, asgi.Field{Key: pairs[i].(string), Value: v})
	}
	return f
}

func (c *client) write(pairs ...any) error { return c.w.Write(fields(pairs...)) }

// call makes a call and returns its result. It fails with the kind of an error.
func (c *client) call(name string, pairs ...any) (asgi.Fields, error) {
	c.id++
	if err := c.write(append([]any{"id", c.id, "call", name}, pairs...)...); err != nil {
		return nil, err
	}
	for {
		head, err := c.r.Read()
		if err != nil {
			return nil, err
		}
		if kind := find[string](head, "error"); kind != "" {
			return head, fmt.Errorf("%s: %s", kind, find[string](head, "detail"))
		}
		if id, ok := head.Get("id"); ok && id == c.id {
			return head, nil
		}
	}
}

// receive waits for a message. It ends the process when the generation is over.
func (c *client) receive(channels ...any) (string, asgi.Dict) {
	head, err := c.call("receive_many", "channels", channels, "block", true)
	if err != nil {
		os.Exit(0)
	}
	return find[string](head, "channel"), find[asgi.Dict](head, "message")
}

// helloChild is the loop of four lines. The path of a request says what else to do.
func helloChild([]string) {
	c := dial()
	for {
		channel, m := c.receive("http.request", "job")
		reply := m.Octets("reply_channel")
		switch path := m.Text("path"); {
		case channel == "job":
			fmt.Println("job", m.Text("name"))
			continue
		case path == "/die":
			fmt.Fprintln(os.Stderr, "I die")
			time.Sleep(time.Hour)
		case path == "/exit":
			fmt.Fprintln(os.Stderr, "Traceback:\n  I exit")
			os.Exit(7)
		case strings.HasPrefix(path, "/flood"): // the answers fill the socket
			c.call("state/set", "key", "long", "value", strings.Repeat("x", 300<<10))
			if path == "/flood-receive" {
				c.write("id", 1<<40, "call", "receive", "channels", []any{"http.request"}, "block", true)
			}
			for range 100 {
				c.write("id", 1<<40+1, "call", "state/get", "key", "long")
			}
			fmt.Println("flooded")
			time.Sleep(time.Hour)
		case path == "/wait":
			c.call("send", "channel", "jobs", "message", map[string]any{}, "wait", 10)
		case path == "/wait-on":
			c.write("id", 1<<40, "call", "send", "channel", "jobs", "message", map[string]any{}, "wait", 10)
		case path == "/slow":
			time.Sleep(time.Hour)
		case path == "/body":
			_, part := c.receive(m.Octets("body_channel"))
			c.call("send", "channel", reply, "message", map[string]any{"status": 200, "content": part.Octets("content")})
			continue
		case strings.HasPrefix(path, "/pid"):
			c.call("send", "channel", reply, "message", map[string]any{"status": 200, "content": fmt.Sprint(os.Getpid())})
			continue
		}
		if _, err := c.call("send", "channel", reply, "message", map[string]any{"status": 200, "content": "Hello World!"}, "at", "app.go:12"); err != nil {
			fmt.Fprintln(os.Stderr, "send failed:", err)
		}
	}
}

// httpChild is the loop of four lines over HTTP.
func httpChild([]string) {
	post := func(call string, body any) (*http.Response, map[string]any) {
		b, _ := json.Marshal(body)
		req, _ := http.NewRequest("POST", os.Getenv("ASGIBOX_URL")+"/layer/"+call, bytes.NewReader(b))
		req.Header.Set("Authorization", "Bearer "+os.Getenv("ASGIBOX_TOKEN"))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			os.Exit(1)
		}
		defer res.Body.Close()
		var v map[string]any
		json.NewDecoder(res.Body).Decode(&v)
		return res, v
	}
	for {
		res, got := post("receive", map[string]any{"channels": []string{"http.request"}, "block": true})
		if res.StatusCode == http.StatusGone {
			fmt.Println("retired:", got["error"])
			return
		}
		m, ok := got["message"].(map[string]any)
		if !ok {
			continue
		}
		if m["path"] == "/exit" {
			os.Exit(6)
		}
		post("send", map[string]any{"channel": m["reply_channel"], "message": map[string]any{"status": 200, "content": "over HTTP"}})
	}
}

// serverChild is a server with one child, whose process id it prints.
func serverChild([]string) {
	layer := store.Memory(store.Options{})
	s, err := NewServer(ServerOptions{Layer: layer})
	if err != nil {
		panic(err)
	}
	l := NewLoader(s, Options{Command: func(context.Context, uint64) (*Command, error) { return program("hello"), nil }})
	if _, err := l.Load(context.Background(), 1); err != nil {
		panic(err)
	}
	fmt.Println(s.Processes()[0].PID, s.Address())
	select {}
}

// refusesChild says that the application does not load.
func refusesChild([]string) {
	c := dial()
	c.call("failed", "explanation", map[string]any{
		"type": "SyntaxError", "message": "invalid syntax", "hint": "write it well",
		"frames": []any{map[string]any{"file": "app.py", "line": 3, "col": 2, "func": "f", "lines": []any{[]any{3, "x = = 1"}}}},
	})
	os.Exit(1)
}

// routedChild runs jobs on as many connections as its first argument says.
func routedChild(args []string) {
	control := dial()
	if _, err := control.call("ready", "kind", "routed"); err != nil {
		os.Exit(1)
	}
	cancels := make(chan int64, 100)
	for range len(args[0]) {
		c := dial()
		c.write("id", 1, "call", "serve")
		go serveJobs(c, args[0][0] == 's', cancels)
	}
	for {
		head, err := control.r.Read()
		if err != nil {
			os.Exit(0)
		}
		if id, ok := head.Get("cancel"); ok {
			cancels <- id.(int64)
		}
		if _, ok := head.Get("end"); ok {
			os.Exit(0)
		}
	}
}

// frozenChild does not read its jobs.
func frozenChild([]string) {
	control := dial()
	dial().write("id", 1, "call", "serve")
	control.call("ready", "kind", "routed")
	control.r.Read()
}

// breaksChild does not load if a file exists.
func breaksChild(args []string) {
	if _, err := os.Stat(args[0]); err == nil {
		refusesChild(nil)
	}
	routedChild([]string{"o"})
}

// earlyChild serves before it is ready. A job that comes then ends it.
func earlyChild([]string) {
	control := dial()
	c := dial()
	c.write("id", 1, "call", "serve")
	c.net.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if head, err := c.r.Read(); err == nil {
		fmt.Fprintln(os.Stderr, "got", head)
		os.Exit(1)
	}
	c.net.SetReadDeadline(time.Time{})
	control.call("ready", "kind", "routed")
	serveJobs(c, false, nil)
}

// serveJobs runs the jobs of a connection one at a time. The path of a message says
// what to do.
func serveJobs(c *client, stubborn bool, cancels chan int64) {
	for {
		head, err := c.r.Read()
		if err != nil {
			return
		}
		id := find[int64](head, "job")
		m := find[asgi.Dict](head, "message")
		switch hook := find[string](head, "hook"); hook {
		case "":
		case "on_start":
			c.write("done", id)
			continue
		default:
			c.write("done", id, "error", "no such hook")
			continue
		}
		switch m.Text("path") {
		case "/pid":
			c.write("done", id, "reply", map[string]any{"status": 200, "content": fmt.Sprint(os.Getpid())})
		case "/reply":
			c.write("done", id, "reply", map[string]any{"status": 200, "content": "replied"})
		case "/long":
			c.write("done", id, "reply", map[string]any{"status": 200, "content": strings.Repeat("x", 300<<10)})
		case "/send":
			_, err := c.call("send", "channel", m.Octets("reply_channel"), "message", map[string]any{"status": 200, "content": "sent"})
			c.write("done", id, "error", errorOrNil(err))
		case "/error":
			c.write("done", id, "error", map[string]any{"type": "ValueError", "message": "broken", "frames": []any{map[string]any{"file": "app.py", "line": 7, "func": "view"}}})
		case "/silent":
			c.write("done", id)
		case "/hold":
			c.write("done", id, "hold", true)
		case "/exit":
			fmt.Fprintln(os.Stderr, "the last line")
			os.Exit(9)
		case "/body":
			head, err := c.call("receive", "channels", []any{m.Octets("body_channel")}, "block", true)
			c.write("done", id, "error", errorOrNil(err), "reply", map[string]any{"status": 200, "content": find[asgi.Dict](head, "message").Octets("content")})
		case "/sleep":
			if stubborn {
				select {}
			}
			for got := range cancels {
				if got == id {
					break
				}
			}
			_, err := c.call("new_channel", "pattern", "x?")
			c.write("done", id, "error", map[string]any{"type": "Cancelled", "message": fmt.Sprint(err), "frames": []any{map[string]any{"file": "app.py", "line": 99}}})
		case "/badcall":
			c.net.Write(rawFrame(fmt.Sprintf(`{"id":5,"call":"send","job":%d,"channel":"a","message":{"n":1e400}}`, id)))
			head, _ := c.r.Read()
			c.write("done", id, "reply", map[string]any{"status": 200, "content": find[string](head, "error")})
		case "/badquiet":
			c.net.Write(rawFrame(fmt.Sprintf(`{"id":5,"call":"send","job":%d,"quiet":true,"channel":"a","message":{"n":1e400}}`, id)))
			c.write("done", id, "reply", map[string]any{"status": 200, "content": "replied"})
		case "/badreply":
			c.net.Write(rawFrame(fmt.Sprintf(`{"done":%d,"reply":{"status":200,"n":1e400}}`, id)))
		case "/baduses":
			c.net.Write(rawFrame(`{"call":"uses","files":["\ud800"]}`))
			c.write("done", id, "reply", map[string]any{"status": 200, "content": "replied"})
		case "/deaf":
			c.call("send", "job", id, "channel", m.Octets("reply_channel"), "message", map[string]any{"status": 200})
			for {
				call := []any{"id", 5, "call", "send", "job", id, "channel", "a", "message", map[string]any{}, "quiet", m.Text("how") == "quiet"}
				if m.Text("how") == "receive" {
					call = []any{"id", 5, "call", "receive", "job", id, "channels", []any{"a?"}, "block", true}
				}
				if c.write(call...) != nil {
					return
				}
				if m.Text("how") != "quiet" {
					c.r.Read()
				}
			}
		case "/garbage":
			c.net.Write([]byte("\x00\x00\x00\x04none"))
		}
	}
}

func errorOrNil(err error) any {
	if err == nil {
		return nil
	}
	return err.Error()
}

// stubbornChild ignores everything but SIGKILL.
func stubbornChild([]string) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
	c := dial()
	c.call("receive", "channels", []any{"http.request"}, "block", true)
	time.Sleep(time.Hour)
}

// outputChild prints and ends.
func outputChild([]string) {
	w := bufio.NewWriter(os.Stdout)
	fmt.Fprintf(w, "plain\n\x1b[31mred\x1b[0m\r\n%s\nbytes \xff\nno end of line", strings.Repeat("ü", 10_000))
	w.Flush()
	fmt.Fprintln(os.Stderr, "to stderr")
	os.Exit(4)
}

// badChild receives once, so that it is ready, and then breaks the rules.
func badChild(args []string) {
	c := dial()
	switch args[0] {
	case "frame":
		c.net.Write([]byte("\x00\x00\x00\x04none"))
	case "long":
		c.net.Write([]byte("\x7f\x00\x00\x00"))
	case "value":
		c.net.Write(rawFrame(`{"id":99,"call":"send","channel":"a","message":{"n":1e400}}`))
	case "ready", "failed":
		c.net.Write(rawFrame(`{"id":99,"call":"` + args[0] + `","kind":"routed","routes":{"routes":1e400}}`))
	case "stdout":
		os.Stdout.Close()
	}
	time.Sleep(100 * time.Millisecond)
	helloChild(nil)
}

// leavesChild leaves a process behind, which sleeps or has ended.
func leavesChild(args []string) {
	if err := exec.Command("sleep", args[0]).Start(); err != nil {
		panic(err)
	}
	c := dial()
	c.receive("http.request")
	os.Exit(2)
}

// twiceChild connects a second time as another process.
func twiceChild([]string) {
	c := dial()
	_, err := tryDial(os.Getenv("ASGIBOX_SOCKET"), os.Getenv("ASGIBOX_TOKEN"), os.Getpid()+1)
	fmt.Println("second:", err)
	c.receive("http.request")
}

// sendsChild sends while it loads.
func sendsChild([]string) {
	c := dial()
	if _, err := c.call("send", "channel", "greeting", "message", map[string]any{"text": "hello"}, "wait", 10); err != nil {
		os.Exit(1)
	}
	fmt.Println("sent")
	c.receive("http.request")
}

// concurrentChild receives again before it replies: it replies to the messages in the
// reverse order.
func concurrentChild([]string) {
	c := dial()
	var replies []string
	for {
		_, m := c.receive("http.request")
		if m.Text("path") == "/exit" {
			os.Exit(5)
		}
		replies = append(replies, m.Octets("reply_channel"))
		if len(replies) == 2 {
			for i := range replies {
				c.call("send", "channel", replies[1-i], "message", map[string]any{"status": 200, "content": "done"})
			}
			replies = nil
		}
	}
}

// manyChild has many receives open. It prints the errors of those that fail at once, and
// the channel of the first message.
func manyChild(args []string) {
	c := dial()
	names := func(n int, first ...any) []any {
		for i := range n {
			first = append(first, fmt.Sprintf("%d", i))
		}
		return first
	}
	receives := [][]any{names(5000, "a"), names(5001, "b"), names(2, "not a name"), names(4998, "c")}
	if args[0] == "number" {
		receives = nil
		for range maxCalls + 1 {
			receives = append(receives, []any{"c"})
		}
	}
	for i, channels := range receives {
		c.write("id", i, "call", "receive", "channels", channels, "block", true)
	}
	for {
		head, err := c.r.Read()
		if err != nil {
			return
		}
		if m := find[string](head, "channel"); m != "" {
			fmt.Println("got", m)
		} else if kind := find[string](head, "error"); kind != remote.Retired {
			fmt.Println(find[int64](head, "id"), kind, find[string](head, "detail"))
		}
	}
}
