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

const (
	// maxKeyFile is how far a file is searched for a private key, in bytes. Bundles of
	// certificates are shorter.
	maxKeyFile = 1 << 20
	// keyWindow is how many bytes of a file are searched at once. A key must fit in half
	// of them.
	keyWindow = 64 << 10
)

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
	window, inUTF16 := make([]byte, keyWindow), false
	for at := int64(0); at < maxKeyFile; at += keyWindow / 2 {
		n, err := f.ReadAt(window, at)
		if err != nil && err != io.EOF {
			return true
		}
		content := window[:n]
		if at == 0 {
			inUTF16 = bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff"))
		}
		if inUTF16 {
			content = bytes.ReplaceAll(content, []byte{0}, nil)
		}
		switch {
		case at == 0 && bytes.IndexByte(content[:min(len(content), 512)], 0) >= 0:
			return false // not a text
		case at == 0 && (recording.Match(content) || bytes.HasPrefix(content, []byte("PuTTY-User-Key-File-"))):
			return true
		case hasPrivateKey(content):
			return true
		case err == io.EOF:
			return false
		}
	}
	return false
}

// hasPrivateKey reports whether a text has a private key in PEM.
func hasPrivateKey(text []byte) bool {
	if !bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		return false
	}
	text = pemMark.ReplaceAll([]byte(escapedLines.Replace(string(text))), []byte("$1"))
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return false
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") && len(block.Bytes) > 0 {
			return true
		}
		text = rest
	}
}
