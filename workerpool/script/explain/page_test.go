package explain

import (
	"strings"
	"testing"
)

func page(t testing.TB) Page {
	t.Helper()
	return Page{
		Status:      500,
		Explanation: explained(t, "def main():\n  return {\"<b>\": 1}[\"<i>\"]\n"),
		Tables:      []Table{{"Request", []Row{{"path", "/<script>alert(1)</script>"}}}},
		Script:      "/page.js?a=1&b=2",
		Version:     "7",
	}
}

func TestPageShowsTheErrorTheLineAndTheTables(t *testing.T) {
	got := string(page(t).HTML())
	for _, want := range []string{
		"<title>500 Internal Server Error: key &#34;&lt;i&gt;&#34; not in dict</title>",
		`<span class="error-line"><i>2</i>  return {&#34;&lt;b&gt;&#34;: 1}<mark>[</mark>&#34;&lt;i&gt;&#34;]</span>`,
		"<b>app.star:2:20</b> in main",
		`<th scope="row">path</th><td>/&lt;script&gt;alert(1)&lt;/script&gt;</td>`,
		"prefers-color-scheme: dark",
		`<script src="/page.js?a=1&amp;b=2" data-version="7"></script>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(got, "<script>alert") || strings.Contains(got, `{"<b>"`) {
		t.Error("something is not escaped")
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestPageWithoutAScriptHasNone(t *testing.T) {
	p := page(t)
	p.Script = ""
	if got := string(p.HTML()); strings.Contains(got, "<script") {
		t.Errorf("got %s", got)
	}
}

func TestPageShowsEveryMistake(t *testing.T) {
	p := Page{Status: 500, Title: "The application does not load", Explanation: explained(t, "x = aaaa\ny = bbbb\n")}
	for _, got := range []string{string(p.HTML()), string(p.Text())} {
		if !strings.Contains(got, "aaaa") || !strings.Contains(got, "bbbb") || !strings.Contains(got, "The application does not load") {
			t.Errorf("got %s", got)
		}
	}
}

func TestPlainTextPage(t *testing.T) {
	got := string(page(t).Text())
	for _, want := range []string{"500 Internal Server Error\n\nkey \"<i>\" not in dict\n", "app.star:2:20 in main", "\nRequest\n  path: /<script>alert(1)</script>\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s", got)
		}
	}
}

func TestWantsHTML(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/html,application/xhtml+xml,*/*;q=0.8": true,
		"application/json, text/html;q=0.1":         true,
		"application/xhtml+xml":                     true,
		"*/*":                                       false,
		"application/json":                          false,
		"":                                          false,
	} {
		if got := WantsHTML(accept); got != want {
			t.Errorf("%q: got %v", accept, got)
		}
	}
}
