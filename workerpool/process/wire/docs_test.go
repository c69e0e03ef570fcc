package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"asgibox/asgi"
)

// TestDocumentedFrames checks the frames in docs/layer-socket.md: their bytes are
// those of their heads and segments, and both ends of the socket read and write what
// they mean.
func TestDocumentedFrames(t *testing.T) {
	page, err := os.ReadFile("../../../docs/layer-socket.md")
	if err != nil {
		t.Fatal(err)
	}
	frames := regexp.MustCompile(`(?m)^    head     (.*)\n((?:    segment  .*\n)*)    bytes    (.*\n(?:             .*\n)*)`).FindAllStringSubmatch(string(page), -1)
	if len(frames) < 6 {
		t.Fatalf("%d frames", len(frames))
	}
	for _, f := range frames {
		head := f[1]
		var want []byte
		part := func(b []byte) { want = append(binary.BigEndian.AppendUint32(want, uint32(len(b))), b...) }
		part([]byte(head))
		for line := range strings.Lines(f[2]) {
			part(fromHex(t, strings.TrimPrefix(line, "    segment")))
		}
		want = append(binary.BigEndian.AppendUint32(nil, uint32(len(want))), want...)
		got := fromHex(t, f[3])
		if !bytes.Equal(got, want) {
			t.Errorf("%s\ngot  %x\nwant %x", head, got, want)
			continue
		}
		fields, err := NewReader(bytes.NewReader(got), len(got)).Read()
		if err != nil {
			t.Errorf("%s: %v", head, err)
			continue
		}
		var out bytes.Buffer
		if err := NewWriter(&out).Write(fields); err != nil {
			t.Fatal(err)
		}
		again, err := NewReader(&out, out.Len()).Read()
		if err != nil || !asgi.Equal(asgi.MustMessage(again...), asgi.MustMessage(fields...)) {
			t.Errorf("%s: %v, %v", head, again, err)
		}
	}
}

func fromHex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
