package devserver

import (
	"bytes"
	"encoding/json"
	"testing"

	"asgibox/inspector/api"
)

// TestARecordingIsSecret checks the form in which the command record writes a message.
func TestARecordingIsSecret(t *testing.T) {
	line, err := json.Marshal(api.FullMessage{Message: api.Message{ID: 7, Trace: "01ab", Channel: "http.request"}, Content: json.RawMessage("{}")})
	if err != nil {
		t.Fatal(err)
	}
	if !isSecret(bytes.NewReader(line)) {
		t.Errorf("%s is not taken for a recording", line)
	}
	for _, text := range []string{`{"id":1,"channel":"news"}`, `[{"id":1,"trace":"","channel":"x"}]`, ""} {
		if isSecret(bytes.NewReader([]byte(text))) {
			t.Errorf("%q is taken for a recording", text)
		}
	}
}
