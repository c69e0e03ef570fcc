package script_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"asgibox/workerpool/script"

	"github.com/coder/websocket"
	"go.starlark.net/syntax"
)

// This test runs the examples of docs/applications.md. A fenced block with a file
// name is that file. A block app.star completes an application of the files
// before it. A console block uses the application before it:
//
//	$ curl …           sends a request; the expected response follows
//	$ websocat … # ann opens a WebSocket, named ann if there are several
//	ann> text          sends a frame
//	ann< text          must be the next received frame
//	# log: text        must appear in the log, perhaps later
//
// The mark … at the end of a response stands for any text. A block named example
// contains expressions and their expected values.
func TestExamplesOfTheGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/applications.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	var app string
	n := 0
	section := ""
	var site *site
	for _, b := range blocks(string(text)) {
		section = b.section
		switch {
		case b.name == "app.star":
			n++
			app = b.text
			test := fmt.Sprintf("%d %s", n, section)
			held := maps.Clone(files)
			clear(files)
			site = nil
			source := app
			next := consoleAfter(string(text), b.line)
			t.Run(test, func(t *testing.T) {
				site = guideSite(t, source, held)
				for _, c := range next {
					newConsole(t, site).run(c)
				}
			})
		case b.name == "example":
			n++
			source, want := exampleProgram(b.text)
			t.Run(fmt.Sprintf("%d %s", n, section), func(t *testing.T) { checkExample(t, source, want) })
		case b.name != "":
			files[b.name] = b.text
		}
	}
	if n < 25 {
		t.Errorf("only %d examples were found", n)
	}
}

// block is a fenced block of a document.
type block struct {
	section, lang, name, text string
	line                      int
}

func blocks(text string) []block {
	var all []block
	var b *block
	section := ""
	for i, line := range strings.Split(text, "\n") {
		switch {
		case b == nil && strings.HasPrefix(line, "#"):
			section = strings.TrimLeft(line, "# ")
		case b == nil && strings.HasPrefix(line, "```"):
			lang, name, _ := strings.Cut(line[3:], " ")
			b = &block{section: section, lang: lang, name: name, line: i}
		case b != nil && line == "```":
			all = append(all, *b)
			b = nil
		case b != nil:
			b.text += line + "\n"
		}
	}
	return all
}

// consoleAfter returns the console blocks between the application on a line and
// the next application.
func consoleAfter(text string, line int) []string {
	var all []string
	for _, b := range blocks(text) {
		switch {
		case b.line <= line:
		case b.lang == "console":
			all = append(all, b.text)
		default:
			return all
		}
	}
	return all
}

func guideSite(t *testing.T, source string, files map[string]string) *site {
	t.Helper()
	return setup{files: files, script: script.Options{Settings: map[string]string{"title": "Rooms"}}}.serve(t, source)
}

// exampleProgram returns an application whose view evaluates the lines of an
// example, and the expected value of each expression.
func exampleProgram(text string) (source string, want []string) {
	var body []string
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		statement := strings.TrimPrefix(lines[i], ">>> ")
		for i++; i < len(lines) && strings.HasPrefix(lines[i], "... "); i++ {
			statement += "\n    " + strings.TrimPrefix(lines[i], "... ")
		}
		var result []string
		for ; i < len(lines) && !strings.HasPrefix(lines[i], ">>> "); i++ {
			result = append(result, lines[i])
		}
		if _, err := new(syntax.FileOptions).ParseExpr("", statement, 0); err == nil {
			if len(result) == 0 {
				result = []string{"None"}
			}
			want = append(want, statement+" is "+strings.Join(result, "\n"))
			statement = fmt.Sprintf("out.append(%q + repr((%s)))", statement+" is ", statement)
		}
		body = append(body, "    "+statement)
	}
	return "def view_(request):\n    out = []\n" + strings.Join(body, "\n") + "\n    return HttpResponse(\"\\n\".join(out))\nchannel_routing = [view(\"/\", view_)]\n", want
}

func checkExample(t *testing.T, source string, want []string) {
	t.Helper()
	r := guideSite(t, source, nil).get("/")
	got := strings.Split(r.body, "\n")
	if r.status != 200 || len(got) != len(want) {
		t.Fatalf("%v\n%s", r, source)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("the guide says %s\nbut         it's %s", want[i], got[i])
		}
	}
}

// console runs the commands of console blocks.
type console struct {
	t       *testing.T
	site    *site
	cookies map[string]string
	sockets map[string]*socket
	held    chan reply
}

func newConsole(t *testing.T, s *site) *console {
	return &console{t: t, site: s, cookies: map[string]string{}, sockets: map[string]*socket{}}
}

var socketLine = regexp.MustCompile(`^(\w*)([<>]) (.*)$`)

func (c *console) run(text string) {
	c.t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		line := lines[i]
		i++
		if m := socketLine.FindStringSubmatch(line); m != nil {
			c.frame(m[1], m[2], m[3])
			continue
		}
		if text, ok := strings.CutPrefix(line, "# log: "); ok {
			c.site.log.has(text)
			continue
		}
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			c.t.Fatalf("unknown line %q", line)
		}
		var output []string
		for ; i < len(lines) && !strings.HasPrefix(lines[i], "$ ") && !strings.HasPrefix(lines[i], "# log: ") && !socketLine.MatchString(lines[i]); i++ {
			output = append(output, lines[i])
		}
		c.command(command, strings.Join(output, "\n"))
	}
}

// command runs one command and compares its output.
func (c *console) command(command, output string) {
	c.t.Helper()
	command, name, _ := strings.Cut(command, "  # ")
	words := shellWords(command)
	switch words[0] {
	case "curl":
		q := c.request(words[1:])
		if words[len(words)-1] == "&" {
			c.held = make(chan reply, 1)
			go func() { c.held <- c.site.do(q.method, q.path, q.body, q.header...) }()
			return
		}
		r := c.site.do(q.method, q.path, q.body, q.header...)
		if q.jar {
			c.keepCookies(r)
		}
		c.check(command, q.print(r), output)
	case "fg":
		c.check(command, (<-c.held).body, output)
	case "websocat":
		c.open(name, words[1:], output)
	default:
		c.t.Fatalf("unknown command %q", command)
	}
}

// guideRequest is a curl command.
type guideRequest struct {
	method, path, body string
	header             []string
	include, jar       bool
}

func (c *console) request(words []string) guideRequest {
	c.t.Helper()
	q := guideRequest{}
	for i := 0; i < len(words); i++ {
		next := func() string { i++; return words[i] }
		switch w := words[i]; w {
		case "-X":
			q.method = next()
		case "-d":
			q.body = next()
			q.header = append(q.header, "Content-Type", "application/x-www-form-urlencoded")
		case "-H":
			name, value, _ := strings.Cut(next(), ": ")
			q.header = append(q.header, name, value)
		case "-F":
			q.upload(c.t, next())
		case "-i":
			q.include = true
		case "-c", "-b":
			q.jar = true
			next()
		case "-N", "&":
		default:
			_, q.path, _ = strings.Cut(w, "localhost:8000")
		}
	}
	if q.method == "" {
		q.method = "GET"
		if q.body != "" || slices.Contains(words, "-d") {
			q.method = "POST"
		}
	}
	if q.jar && len(c.cookies) > 0 {
		q.header = append(q.header, "Cookie", c.cookieLine())
	}
	return q
}

// upload sets the body to the form of -F name=@file. The file contains "hello".
func (q *guideRequest) upload(t *testing.T, field string) {
	name, file, _ := strings.Cut(field, "=@")
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename=%q`, name, file)}, "Content-Type": {"text/plain"},
	})
	if err != nil {
		t.Fatal(err)
	}
	part.Write([]byte("hello"))
	w.Close()
	q.body = b.String()
	q.header = append(q.header, "Content-Type", w.FormDataContentType())
}

// print formats a response as curl does.
func (q guideRequest) print(r reply) string {
	if !q.include {
		return r.body
	}
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\n", r.status, http.StatusText(r.status))
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		for _, v := range r.header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	return b.String() + "\n" + r.body
}

// check compares a response. The guide may show only some of its headers.
func (c *console) check(command, got, want string) {
	c.t.Helper()
	if strings.HasPrefix(want, "HTTP/") {
		head, body, _ := strings.Cut(want, "\n\n")
		gotHead, gotBody, _ := strings.Cut(got, "\n\n")
		for line := range strings.SplitSeq(head, "\n") {
			if !slices.Contains(strings.Split(gotHead, "\n"), line) {
				c.t.Errorf("$ %s\nthe guide says %q, but it's\n%s", command, line, got)
			}
		}
		if !strings.Contains(want, "\n\n") {
			return
		}
		got, want = gotBody, body
	}
	pattern := regexp.QuoteMeta(strings.TrimRight(want, "\n"))
	if strings.HasSuffix(want, "\n…") {
		pattern = strings.TrimSuffix(pattern, "…") + `(?s:.*)`
	}
	if !regexp.MustCompile("^" + pattern + "$").MatchString(strings.TrimRight(got, "\n")) {
		c.t.Errorf("$ %s\nthe guide says\n%s\nbut it's\n%s", command, want, got)
	}
}

func (c *console) keepCookies(r reply) {
	for _, line := range r.header["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		c.cookies[name] = value
	}
}

func (c *console) cookieLine() string {
	var pairs []string
	for name, value := range c.cookies {
		pairs = append(pairs, name+"="+value)
	}
	return strings.Join(pairs, "; ")
}

func (c *console) open(name string, words []string, output string) {
	c.t.Helper()
	var header []string
	if words[0] == "-b" {
		header, words = []string{"Cookie", c.cookieLine()}, words[2:]
	}
	path := strings.TrimPrefix(words[0], "ws://localhost:8000")
	conn, resp, err := c.site.tryDial(path, header...)
	if output != "" {
		if err == nil || resp == nil || fmt.Sprintf("(%d)", resp.StatusCode) != output {
			c.t.Errorf("websocat %s: the guide says %s, but it's %v", path, output, resp)
		}
		return
	}
	if err != nil {
		c.t.Fatalf("websocat %s: %v\n%s", path, err, c.site.log)
	}
	c.t.Cleanup(func() { conn.CloseNow() })
	c.sockets[strings.TrimSpace(name)] = &socket{c.t, conn, c.site}
}

func (c *console) frame(name, direction, text string) {
	c.t.Helper()
	s := c.sockets[name]
	if s == nil {
		c.t.Fatalf("no WebSocket is named %q", name)
	}
	switch {
	case direction == ">":
		s.send(text)
	case strings.HasPrefix(text, "(closed: "):
		_, _, err := s.conn.Read(context.Background())
		var closed websocket.CloseError
		if !asCloseError(err, &closed) || fmt.Sprintf("(closed: %d %s)", closed.Code, closed.Reason) != text {
			c.t.Errorf("the guide says %s, but it's %v", text, err)
		}
	default:
		s.want(text)
	}
}

// shellWords splits a command into words. Quotes may enclose blanks.
func shellWords(command string) []string {
	var words []string
	for _, m := range regexp.MustCompile(`"([^"]*)"|'([^']*)'|(\S+)`).FindAllStringSubmatch(command, -1) {
		words = append(words, m[1]+m[2]+m[3])
	}
	return words
}
