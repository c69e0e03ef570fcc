package httpfront

import (
	"context"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/store"
)

// TestGroupMessageIsCompressedOnce checks that the members of a group share one
// compressed message.
func TestGroupMessageIsCompressedOnce(t *testing.T) {
	layer := store.Memory(store.Options{})
	defer layer.Close(context.Background())
	var entries []*entry
	unbind, err := layer.Bind("test!", func(d asgi.Delivery) error {
		if !d.Probe {
			entries = append(entries, &entry{message: d.Message, shared: d.Shared})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	for _, channel := range []string{"test!a", "test!b"} {
		if err := layer.GroupAdd(t.Context(), nil, "all", channel); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"first", "second"} {
		m := asgi.MustMessage(asgi.Field{Key: "text", Value: strings.Repeat(text, 1000)})
		if err := layer.SendGroup(t.Context(), nil, "all", m); err != nil {
			t.Fatal(err)
		}
	}
	if len(entries) != 4 {
		t.Fatalf("%d deliveries", len(entries))
	}
	if entries[0].outgoing() != entries[1].outgoing() || entries[2].outgoing() != entries[3].outgoing() {
		t.Error("two members made the same message")
	}
	if first, second := entries[0].outgoing(), entries[2].outgoing(); first.compressed() == second.compressed() {
		t.Error("different messages share their data")
	}
}
