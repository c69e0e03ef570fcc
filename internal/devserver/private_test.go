package devserver

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"asgibox/inspector/api"
)

// TestAPrivateKeyIsSecret checks that bytes before the marks of PEM do not hide a key.
func TestAPrivateKeyIsSecret(t *testing.T) {
	key := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: make([]byte, 100)}))
	indented := "key: |\n  " + strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n  ") + "\n"
	quoted, err := json.Marshal(map[string]string{"type": "service_account", "private_key": key, "token": "x"})
	if err != nil {
		t.Fatal(err)
	}
	utf16 := func(order binary.AppendByteOrder, text string) string {
		var b []byte
		for _, c := range "\ufeff" + text {
			b = order.AppendUint16(b, uint16(c))
		}
		return string(b)
	}
	certificate := strings.ReplaceAll(key, "EC PRIVATE KEY", "CERTIFICATE")
	for _, text := range []string{
		key, "\ufeff" + key, " \t" + key, "\u200b" + key, indented, certificate + "  " + key, "-----BEGIN EC PRIVATE KEY-----\n\ufeff" + key,
		strings.ReplaceAll("\ufeff"+key, "\n", "\r\n"), utf16(binary.LittleEndian, key), utf16(binary.BigEndian, indented),
		string(quoted), strings.ReplaceAll(string(quoted), `\n"`, `"`), strings.ReplaceAll(string(quoted), `\n`, `\r\n`),
		strings.Repeat(certificate, 2000) + key, strings.Repeat("x", keyWindow-10) + "\n" + key,
		"PuTTY-User-Key-File-3: ssh-ed25519\r\n",
	} {
		if !isSecret(strings.NewReader(text)) {
			t.Errorf("a text of %d bytes, %.100q, is not taken for a private key", len(text), text)
		}
	}
	for _, text := range []string{
		certificate, utf16(binary.LittleEndian, certificate), strings.ReplaceAll(key, "=", "…"), "\x00" + key,
		"const begin = '-----BEGIN PRIVATE KEY-----'\nconst end = '-----END PRIVATE KEY-----'\n",
	} {
		if isSecret(strings.NewReader(text)) {
			t.Errorf("%.100q is taken for a private key", text)
		}
	}
}

// TestARecordingIsSecret checks the forms in which the command record writes a message,
// and in which the server and the page write an HTTP Archive.
func TestARecordingIsSecret(t *testing.T) {
	line, err := json.Marshal(api.FullMessage{Message: api.Message{ID: 7, Trace: "01ab", Channel: "http.request"}, Content: json.RawMessage("{}")})
	if err != nil {
		t.Fatal(err)
	}
	if !isSecret(bytes.NewReader(line)) {
		t.Errorf("%s is not taken for a recording", line)
	}
	for _, archive := range []string{
		`{"log":{"version":"1.2","creator":{"name":"asgibox","version":"dev"},"entries":[`,
		"{\n  \"log\": {\n    \"version\": \"1.2\",\n    \"creator\": {\n      \"name\": \"asgibox\"",
	} {
		if !isSecret(strings.NewReader(archive)) {
			t.Errorf("%s is not taken for a recording", archive)
		}
	}
	for _, text := range []string{`{"log":{"version":"1.2","creator":{"name":"other"`, `{"id":1,"channel":"news"}`, `[{"id":1,"trace":"","channel":"x"}]`, ""} {
		if isSecret(bytes.NewReader([]byte(text))) {
			t.Errorf("%q is taken for a recording", text)
		}
	}
}
