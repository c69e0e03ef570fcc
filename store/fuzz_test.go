package store

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"asgibox/asgi"
)

// FuzzRecovery changes bytes of a file and truncates it. A store must open the
// file, pass its check and work.
func FuzzRecovery(f *testing.F) {
	whole := filledFile(f)
	f.Add([]byte{}, uint32(0))
	f.Add([]byte{0, 0, 0x20, 0, 1}, uint32(1))
	f.Add([]byte{0, 0, 0, 0x10, 9, 0, 0, 0x10, 0x10, 9}, uint32(4096))
	f.Add([]byte{0, 0, 0xb0, 0x14, 0x72, 0, 0, 0xc0, 0x3b, 0x7d}, uint32(7))
	f.Fuzz(func(t *testing.T, edits []byte, short uint32) {
		b := bytes.Clone(whole)
		for ; len(edits) >= 5; edits = edits[5:] {
			b[binary.BigEndian.Uint32(edits)%uint32(len(b))] = edits[4]
		}
		b = b[:len(b)-int(short%uint32(len(b)))]
		path := filepath.Join(t.TempDir(), "channels.db")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, Options{NoSync: true, Reserved: true})
		if err != nil {
			t.Fatal(err)
		}
		send(t, s, "another", 1)
		wantPoll(t, s, 1, "another")
		closeStore(t, s)
	})
}

// FuzzFileValues decodes random bytes as entries of the file. Invalid ones must
// be errors, and valid ones must decode to the same again after encoding.
func FuzzFileValues(f *testing.F) {
	m := asgi.MustMessage(asgi.Field{Key: "k", Value: []any{1, "x", asgi.Bytes("y")}})
	r := &record{id: 7, channel: "jobs", trace: 9, deadline: 11, message: m}
	f.Add(appendID(nil, 7), appendMessage(nil, kindMessage, 11, r))
	f.Add(appendID(nil, 7), appendMessage(nil, kindDelayed, 11, r))
	group := &copies{id: 6, message: m, deadline: 11, records: []*record{r, {id: 9, channel: "mail"}}}
	f.Add(appendID(nil, 6), appendCopies(nil, group))
	f.Add([]byte("room\x00jobs"), appendTime(nil, 11))
	f.Add([]byte("state/x"), append(appendTime(nil, 11), 1))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		sealed := seal(bytes.Clone(value), 0, key)
		if id, m, err := decodeMessage(key, sealed); err == nil && m.kind != kindCopies {
			r := &record{id: id, channel: m.channel, trace: m.trace, message: m.body}
			again := appendMessage(nil, m.kind, m.time, r)
			if _, m2, err := decodeMessage(key, seal(again, 0, key)); err != nil || m2.channel != m.channel || m2.time != m.time || !asgi.Equal(m2.body, m.body) {
				t.Errorf("%+v, then %+v, %v", m, m2, err)
			}
		}
		decodeMember(key, sealed)
		decodeValue(key, sealed)
		decodeTaken(key, sealed)
		if _, err := unseal(key, append(sealed, 0)); err == nil {
			t.Error("a longer value passes the checksum")
		}
	})
}
