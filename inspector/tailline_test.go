package inspector

import (
	"bytes"
	"encoding/json"
	"testing"

	"asgibox/inspector/api"
)

func TestTailLeavesOutAFullMessageThatIsGone(t *testing.T) {
	s := &Server{history: newHistory(10, 1<<20)}
	var b bytes.Buffer
	s.writeLine(json.NewEncoder(&b), api.Message{ID: 7}, true)
	if b.Len() > 0 {
		t.Errorf("a line without the content was written: %s", b.String())
	}
	if s.writeLine(json.NewEncoder(&b), api.Message{ID: 7}, false); b.Len() == 0 {
		t.Error("no line was written")
	}
}
