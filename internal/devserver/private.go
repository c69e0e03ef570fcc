package devserver

import (
	"bytes"
	"encoding/pem"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"asgibox/httpfront/devcert"
	"asgibox/store"
)

// privateFiles returns the files of the server that the application in a folder
// must not serve. The files in the default folder may come from an earlier server.
func privateFiles(folder string, o *Options) []string {
	folder = filepath.Join(folder, dataFolderName)
	files := append(store.Files(filepath.Join(folder, dataFileName)), filepath.Join(folder, devcert.KeyFile))
	if o.DataFile != "" && o.DataFile != MemoryStore {
		files = append(files, store.Files(o.DataFile)...)
	}
	for _, file := range []string{o.TLS.Key, o.AccessLog} {
		if file != "" && file != "-" {
			files = append(files, file)
		}
	}
	return files
}

// maxKeyFile is how far a file is searched for a private key, in bytes.
const maxKeyFile = 64 << 10

// recording matches the beginning of a file with messages: one api.FullMessage on each
// line, as the command record writes it, or an HTTP Archive of asgibox.
var recording = regexp.MustCompile(`^(\{"id":[0-9]+,"trace":"[0-9a-f]*","channel":"|\{\s*"log":\s*\{\s*"version":\s*"1\.2",\s*"creator":\s*\{\s*"name":\s*"asgibox")`)

// pemMark matches a line that has a mark of PEM among other bytes, such as spaces, a byte
// order mark or the quotes of JSON.
var pemMark = regexp.MustCompile(`[^\n]*?(-----(?:BEGIN|END) [A-Z0-9 ]+-----)[^\n]*`)

// escapedLines replaces the ends of lines in a string of JSON and similar formats.
var escapedLines = strings.NewReplacer(`\r`, "", `\n`, "\n", `\/`, "/")

// isSecret reports whether a file is the store of any server, which a worker
// elsewhere or a server with another store does not know by its path, is a recording, or
// has a private key of PuTTY or in PEM, also as a string of JSON.
func isSecret(f io.ReaderAt) bool {
	if store.IsSecret(f) {
		return true
	}
	content := make([]byte, maxKeyFile)
	n, err := f.ReadAt(content, 0)
	if err != nil && err != io.EOF {
		return true
	}
	content = content[:n]
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		content = bytes.ReplaceAll(content, []byte{0}, nil) // a text in UTF-16
	}
	if bytes.IndexByte(content[:min(len(content), 512)], 0) >= 0 {
		return false // not a text
	}
	if recording.Match(content) || bytes.HasPrefix(content, []byte("PuTTY-User-Key-File-")) {
		return true
	}
	if !bytes.Contains(content, []byte("PRIVATE KEY-----")) {
		return false
	}
	content = pemMark.ReplaceAll([]byte(escapedLines.Replace(string(content))), []byte("$1"))
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			return false
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") && len(block.Bytes) > 0 {
			return true
		}
		content = rest
	}
}
