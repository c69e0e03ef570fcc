package examples

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"asgibox/asgi"
	"asgibox/workerpool/process/wire"
)

// node runs node with arguments until the test ends.
func node(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestNodeWorker runs examples/worker.mjs against the other end of its socket.
func TestNodeWorker(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	worker := node(t, "worker.mjs")
	worker.Env = append(os.Environ(), "ASGIBOX_SOCKET="+path, "ASGIBOX_TOKEN=secret")
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- worker.Wait()
		listener.Close() // so that Accept ends
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in, out := wire.NewReader(conn, 1<<20), wire.NewWriter(conn)
	write := func(head ...asgi.Field) {
		t.Helper()
		if err := out.Write(head); err != nil {
			t.Error(err)
		}
	}
	// next expects a frame with some fields, and returns its number.
	next := func(want ...asgi.Field) asgi.Field {
		t.Helper()
		head, err := in.Read()
		if err != nil {
			t.Fatal(err)
		}
		got := dict(t, head)
		for _, f := range want {
			if v, _ := got.Get(f.Key); !asgi.Equal(v, f.Value) {
				t.Errorf("%s is %v, not %v", f.Key, v, f.Value)
			}
		}
		id, _ := got.Get("id")
		return asgi.Field{Key: "id", Value: id}
	}
	// deliver replies to a receive with a message.
	deliver := func(channel string, fields ...asgi.Field) {
		t.Helper()
		id := next(asgi.Field{Key: "call", Value: "receive"}, asgi.Field{Key: "block", Value: true})
		write(id, asgi.Field{Key: "channel", Value: channel}, asgi.Field{Key: "message", Value: dict(t, fields)})
	}
	reply := asgi.Field{Key: "reply_channel", Value: "reply!a"}
	sent := func(fields ...asgi.Field) {
		t.Helper()
		id := next(asgi.Field{Key: "call", Value: "send"}, asgi.Field{Key: "channel", Value: "reply!a"}, asgi.Field{Key: "message", Value: dict(t, fields)})
		write(asgi.Field{Key: "ping", Value: int64(5)}) // while nothing else is on its way
		next(asgi.Field{Key: "pong", Value: int64(5)})
		write(id)
	}

	id := next(asgi.Field{Key: "call", Value: "hello"}, asgi.Field{Key: "version", Value: int64(1)},
		asgi.Field{Key: "token", Value: "secret"}, asgi.Field{Key: "pid", Value: int64(worker.Process.Pid)})
	write(id, asgi.Field{Key: "version", Value: int64(1)}, asgi.Field{Key: "max_message", Value: int64(1 << 20)})
	deliver("http.request", reply)
	sent(asgi.Field{Key: "status", Value: int64(200)}, asgi.Field{Key: "content", Value: "Hello World!"})
	for _, value := range []asgi.Field{
		{Key: "text", Value: "\uffffü🙂"},
		{Key: "bytes", Value: asgi.Bytes("hello")},
		{Key: "bytes", Value: asgi.Bytes(bytes.Repeat([]byte("\x00\xff"), 50_000))},
	} {
		deliver("websocket.receive", reply, value)
		sent(value)
	}
	id = next(asgi.Field{Key: "call", Value: "receive"})
	write(id, asgi.Field{Key: "error", Value: "Retired"}, asgi.Field{Key: "detail", Value: "newer code runs"})
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// dict returns fields as a dict that can be compared.
func dict(t *testing.T, fields asgi.Fields) asgi.Dict {
	t.Helper()
	m, err := asgi.NewMessage(fields...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Dict
}

// TestNodeFrames checks values and partial frames.
func TestNodeFrames(t *testing.T) {
	script := `
import assert from "node:assert"
import { encode, Frames, LayerError } from "./worker.mjs"
const head = { a: ["\uffff\ufffe0", null, 1.5, true, { b: Buffer.from([0, 255]) }], c: Buffer.alloc(0) }
const bytes = encode(head)
assert.deepEqual([...new Frames().add(Buffer.concat([bytes, bytes]))], [head, head])
const frames = new Frames(), found = []
for (const byte of Buffer.concat([bytes, bytes])) found.push(...frames.add(Buffer.from([byte])))
assert.deepEqual(found, [head, head])
for (const value of [NaN, Infinity, "\ud800"]) assert.throws(() => encode({ value }), LayerError)
`
	if out, err := node(t, "--input-type=module", "--eval", script).Output(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
