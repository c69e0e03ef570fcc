package remote_test

import (
	"os"
	"os/exec"
	"testing"

	"asgibox/asgi"
	"asgibox/internal/guard"
	"asgibox/store"
)

// TestPythonWorker runs examples/worker.py as a worker over HTTP.
func TestPythonWorker(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	layer := memory(t, store.Options{})
	s := serve(t, layer, guard.Options{Token: "secret"})
	worker := exec.CommandContext(t.Context(), python, "../../examples/worker.py", s.URL)
	worker.Env = append(os.Environ(), "ASGIBOX_TOKEN=secret")
	worker.Stderr = os.Stderr
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		worker.Process.Kill()
		worker.Wait()
	})
	for _, reply := range []string{"reply!a", "reply!b"} {
		request := asgi.MustMessage(
			asgi.Field{Key: "reply_channel", Value: reply},
			asgi.Field{Key: "headers", Value: []any{[]any{asgi.Bytes("host"), asgi.Bytes("\xff")}}})
		if err := layer.Send(t.Context(), nil, "http.request", request); err != nil {
			t.Fatal(err)
		}
		d, err := layer.Receive(t.Context(), nil, "reply!")
		if err != nil {
			t.Fatal(err)
		}
		if d.Channel != reply || d.Message.Int("status") != 200 || d.Message.Text("content") != "Hello World!" {
			t.Errorf("%s got %v", d.Channel, d.Message)
		}
	}
}

// TestPythonTextAndBytes checks that the example encodes texts and byte strings
// like the codec.
func TestPythonTextAndBytes(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	out, err := exec.CommandContext(t.Context(), python, "-c", `
import sys; sys.path.insert(0, "../../examples"); sys.dont_write_bytecode = True
import worker
for value in [b"\x00\xff", "\uffffmarked", "\uffff\uffff", "text", [1, 1.0, None, {"k": b""}]]:
    assert worker.unpack(worker.pack(value)) == value, value
assert worker.pack(b"\xff") == "\uffff/w==" and worker.pack("\uffffx") == "\uffff\uffffx"
`).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
