package script_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// utf16Text returns a text in UTF-16.
func utf16Text(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func TestAByteOrderMarkIsDropped(t *testing.T) {
	const mark = "\ufeff"
	c := setup{files: map[string]string{
		"base.html": mark + `<html>{{template "part.html" .}}{{block "body" .}}{{end}}</html>`,
		"part.html": mark + `<p>`,
		"page.html": mark + `{{template "base.html" .}}{{define "body"}}{{.name}}{{end}}`,
		".env":      mark + "NAME=ada\n",
	}}
	s := c.serve(t, mark+`
def page(request):
    return render("page.html", {"name": settings["NAME"]})
def read(request):
    return str([request.json(), json.decode("\uFEFF[2]"), json.decode("\uFEFF", default=3)])
channel_routing = [view("/", page), view("/json", read)]
`)
	if r := s.get("/"); r.body != "<html><p>ada</html>" {
		t.Errorf("the page is %q", r.body)
	}
	if r := s.do("POST", "/json", mark+`{"n": 1}`); r.body != `[{"n": 1}, [2], 3]` {
		t.Errorf("the values are %v", r)
	}
}

func TestFilesThatAreNotUTF8AreNamed(t *testing.T) {
	s := serve(t, fourLines)
	const app = "channel_routing = []\n"
	for source, want := range map[string]string{
		utf16Text(binary.LittleEndian, app):               "app.star:1: the file is UTF-16, not UTF-8",
		utf16Text(binary.BigEndian, app):                  "app.star:1: the file is UTF-16, not UTF-8",
		"\xff\xfe\x00\x00x\x00\x00\x00":                   "app.star:1: the file is UTF-32, not UTF-8",
		"\x00\x00\xfe\xff\x00\x00\x00x":                   "app.star:1: the file is UTF-32, not UTF-8",
		utf16Text(binary.LittleEndian, "\ufeffé = 1\n"):   "app.star:1: the file is UTF-16, not UTF-8",
		utf16Text(binary.BigEndian, "\ufeff# Ωμέγα\n"):    "app.star:1: the file is UTF-16, not UTF-8",
		"x = 1\ny = \"a\x00b\"\n":                         "app.star:2: the file contains a NUL byte, so it is not text",
		"x = 1\n\n" + strings.Repeat("\x00", 4096):        "app.star:3: the file contains a NUL byte, so it is not text",
		strings.Repeat("\x00", 4096):                      "app.star:1: the file contains a NUL byte, so it is not text",
		"x = 1 # caf\xe9\n":                               "app.star:1: the file is not UTF-8",
		"load(\"lib.star\", \"x\")\nchannel_routing = []": "lib.star:1: cannot load lib.star: the file is UTF-16, not UTF-8",
	} {
		s.write("lib.star", utf16Text(binary.LittleEndian, "x = 1\n"))
		if err := s.reload(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", source, err, want)
		}
	}
	s.write(".env", utf16Text(binary.LittleEndian, "\ufeffNAME=ada\n"))
	if err := s.reload(fourLines); err == nil || !strings.Contains(err.Error(), ".env:1: the file is UTF-16, not UTF-8") {
		t.Errorf(".env: %v", err)
	}
}

func TestATemplateThatIsNotUTF8IsNamed(t *testing.T) {
	c := setup{files: map[string]string{"page.html": `{{template "part.html"}}`, "part.html": utf16Text(binary.LittleEndian, "<p>text</p>")}}
	s := c.serve(t, `channel_routing = [view("/", lambda request: render("page.html"))]`)
	s.want("/", 500, "the file is UTF-16, not UTF-8")
}
