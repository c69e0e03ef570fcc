package examples

import (
	"errors"
	"testing"

	"asgibox/examples/go-worker/asgibox"
	"asgibox/store"
	"asgibox/workerpool/process"
)

// serveLayer returns the address of the socket of a server without an application.
func serveLayer(t *testing.T) string {
	t.Helper()
	layer := store.Memory(store.Options{})
	s, err := process.NewServer(process.ServerOptions{Layer: layer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close(t.Context())
		_ = layer.Close(t.Context())
	})
	return s.Address()
}

// TestNestingOfTheGoClient sends the deepest message, and one that is deeper.
func TestNestingOfTheGoClient(t *testing.T) {
	l, err := asgibox.DialAddress(t.Context(), serveLayer(t), "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var deep any = []string{"text"}
	for range 98 {
		deep = []any{deep}
	}
	if err := l.Send(t.Context(), "a", asgibox.Message{"v": []any{deep}}); !errors.Is(err, asgibox.ErrInvalidMessage) {
		t.Errorf("101 levels: %v", err)
	}
	if err := l.Send(t.Context(), "a", asgibox.Message{"v": deep}); err != nil {
		t.Errorf("100 levels: %v", err)
	}
}

// TestBadValuesFromNode sends values that no message may have, and then a good message.
func TestBadValuesFromNode(t *testing.T) {
	script := `
import assert from "node:assert"
import { Layer } from "./worker.mjs"
const layer = await Layer.connect()
let deep = []
for (let n = 0; n < 99; n++) deep = [deep]
for (const n of [1e20, deep, NaN, "\ud800", { "\ud800": 1 }])
	await assert.rejects(layer.send("a", { n }), { kind: "InvalidMessage" })
await layer.send("a", { n: deep[0] })
layer.close()
`
	cmd := node(t, "--input-type=module", "--eval", script)
	cmd.Env = append(cmd.Environ(), "ASGIBOX_SOCKET="+serveLayer(t), "ASGIBOX_TOKEN=")
	if out, err := cmd.Output(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
