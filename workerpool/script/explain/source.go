package explain

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// SourceText returns the text of a source file or template, without a byte
// order mark. If the data is not UTF-8 text, it returns an error that says what
// the data is, and the line of the first wrong byte.
func SourceText(data []byte) (text string, line int, err error) {
	text = strings.TrimPrefix(string(data), "\ufeff")
	at := invalidUTF8(text)
	if nul := strings.IndexByte(text, 0); nul >= 0 && (at < 0 || nul < at) {
		at = nul
	}
	if at < 0 {
		return text, 0, nil
	}
	line = 1 + strings.Count(text[:at], "\n")
	switch {
	case isUTF32(data):
		return "", 1, Hintf("save the file as UTF-8 in the editor", "the file is UTF-32, not UTF-8")
	case isUTF16(data):
		return "", 1, Hintf("save the file as UTF-8 in the editor", "the file is UTF-16, not UTF-8")
	case text[at] == 0:
		return "", line, Hintf("check that it is the right file and that it is complete", "the file contains a NUL byte, so it is not text")
	}
	return "", line, Hintf("save the file as UTF-8 in the editor", "the file is not UTF-8")
}

// isUTF32 reports whether data begins with a byte order mark of UTF-32. In UTF-16,
// the first four bytes would be a mark and a NUL.
func isUTF32(data []byte) bool {
	return bytes.HasPrefix(data, []byte{0xff, 0xfe, 0, 0}) || bytes.HasPrefix(data, []byte{0, 0, 0xfe, 0xff})
}

// isUTF16 reports whether data begins with a byte order mark of UTF-16, or
// with ASCII characters in UTF-16: one byte of each of the first pairs is zero.
func isUTF16(data []byte) bool {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return true
	}
	var zeros [2]int
	start := data[:min(len(data), 16)]
	for i, b := range start {
		if b == 0 {
			zeros[i%2]++
		}
	}
	half := len(start) / 2
	return half > 0 && (zeros == [2]int{half, 0} || zeros == [2]int{0, half})
}

// invalidUTF8 returns the index of the first byte that is not UTF-8, or -1.
func invalidUTF8(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for i, c := range text {
		if c == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return i
		}
	}
	return -1
}
