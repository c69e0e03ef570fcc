package script_test

import (
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/workerpool/pages"
	"asgibox/workerpool/script"
)

const failingCalls = `
def total(items, tax):
    sum = 0
    for item in items:
        sum += item["price"]
    return sum + tax

def page(request):
    title = "<script>alert(1)</script>"
    return title + str(total([{"price": 3}, {"name": "<b>"}], "none"))

def streamed(request):
    def write(out):
        part = "first"
        out(part)
        part.nothing
    return StreamingHttpResponse(write) if False else HttpResponse(part_of(request))

def part_of(request):
    name = None
    return name.upper()

def broken(request):
    return total("x")

channel_routing = [view("/", page), view("/part", streamed), view("/broken", broken)]
`

func localsSetup() setup {
	return setup{script: script.Options{Locals: true}, pages: pages.Options{
		Locals:    true,
		Editor:    func(path string, line, col int) string { return "edit:" + path },
		Inspector: func(t asgi.TraceID) string { return "http://inspector/#/errors/" + t.String() },
	}}
}

func TestAnErrorPageShowsTheVariablesOfEachCall(t *testing.T) {
	s := localsSetup().serve(t, failingCalls)
	r := s.get("/", "accept", "text/html")
	for _, want := range []string{
		`<th scope="row">sum</th><td>3</td>`,
		`<th scope="row">item</th><td>{&#34;name&#34;: &#34;&lt;b&gt;&#34;}</td>`,
		`<th scope="row">tax</th><td>&#34;none&#34;</td>`,
		`<th scope="row">title</th><td>&#34;&lt;script&gt;alert(1)&lt;/script&gt;&#34;</td>`,
		`<th scope="row">request</th><td>&lt;request GET /&gt;</td>`,
		`<a href="edit:` + s.dir + `/app.star">`,
		`<a href="http://inspector/#/errors/`,
		`Trace <code>`,
	} {
		if !strings.Contains(r.body, want) {
			t.Errorf("the page lacks %s:\n%s", want, r.body)
		}
	}
	plain := s.get("/part").body
	for _, want := range []string{"\n         name = None\n", "\n         request = <request GET /part>\n", "\ntrace: ", "\ninspector: http://inspector/#/errors/"} {
		if !strings.Contains(plain, want) {
			t.Errorf("the text lacks %q:\n%s", want, plain)
		}
	}
}

// Clients on other machines may see the page.
func TestAnErrorPageForOthersShowsNoVariables(t *testing.T) {
	s := setup{script: script.Options{Locals: true}}.serve(t, failingCalls)
	if r := s.get("/", "accept", "text/html"); strings.Contains(r.body, "Variables") || strings.Contains(r.body, "&lt;script") && strings.Contains(r.body, "<td>&#34;&lt;script") || strings.Contains(r.body, `<a href`) {
		t.Errorf("%s", r.body)
	}
	if r := s.get("/part"); strings.Contains(r.body, "name = None\n") && strings.Contains(r.body, "request = <request") || strings.Contains(r.body, "inspector:") {
		t.Errorf("%s", r.body)
	}
}

// A site may point its name at 127.0.0.1 and read what its visitor's server returns.
func TestAnErrorPageUnderAForeignNameShowsNoVariables(t *testing.T) {
	s := localsSetup().serve(t, failingCalls)
	for host, want := range map[string]bool{
		"localhost:8000": true, "127.0.0.1": true, "[::1]:8000": true,
		"evil.example:8000": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false,
	} {
		if got := strings.Contains(s.get("/part", "host", host).body, "\n         name = None\n"); got != want {
			t.Errorf("%s: shows variables: %t", host, got)
		}
	}
}

// Instrumented functions behave like others.
func TestInstrumentedFunctionsKeepTheirErrors(t *testing.T) {
	for _, locals := range []bool{true, false} {
		s := setup{script: script.Options{Locals: locals}}.serve(t, failingCalls)
		if r := s.get("/broken"); !strings.Contains(r.body, "function total missing 1 argument (tax)") {
			t.Errorf("locals %t: %s", locals, r.body)
		}
	}
}

func TestALoopHasTheVariablesOfItsCalls(t *testing.T) {
	s := localsSetup().serve(t, `
def answer(request):
    status = request["status"]
    return status

while True:
    _, request = layer.receive_many("http.request", block=True)
    count = 1
    answer(request)
`)
	body := s.get("/", "accept", "text/html").body
	if !strings.Contains(body, `<th scope="row">count</th><td>1</td>`) || !strings.Contains(body, `<th scope="row">request</th>`) || strings.Contains(body, `<th scope="row">answer</th>`) {
		t.Errorf("%s", body)
	}
}
