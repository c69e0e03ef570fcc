package web

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"
	"testing"
)

const tooLong = "the templates of this page take too long to load"

func include(i int) string { return fmt.Sprintf(`{{template "%d" .}}`, i) }

// chain defines templates that include themselves and the next: in the body of each, S
// is itself and N is the next. It includes the first. The last one is different.
func chain(n int, body, last string) string {
	var b strings.Builder
	b.WriteString(include(0))
	for i := range n {
		fmt.Fprintf(&b, `{{define "%d"}}%s{{end}}`, i, strings.NewReplacer("S", include(i), "N", include(i+1)).Replace(body))
	}
	fmt.Fprintf(&b, `{{define "%d"}}%s{{end}}`, n, last)
	return b.String()
}

// everywhere includes something in many contexts, and returns to text from each.
func everywhere(s string) string {
	var b strings.Builder
	for _, element := range []string{"a", "script", "style", "textarea", "title"} {
		for _, start := range []string{"", ` title="`, ` href="`, ` href="/?`, ` onclick="`, ` style="`, ` srcset="`} {
			if start == "" {
				start = ">"
			}
			fmt.Fprintf(&b, "{{if .x}}<%s%s%s%s{{end}}", element, start, s, toText)
		}
	}
	return b.String()
}

const toText = `</script></style></title></textarea>"></script></style></title></textarea>`

// TestTemplatesThatTakeTooLongToEscape has templates for which package template takes
// exponential or quadratic time, or never ends.
func TestTemplatesThatTakeTooLongToEscape(t *testing.T) {
	loops := func(n int, text string) string {
		return strings.Repeat("{{range .l}}", n) + text + strings.Repeat("{{end}}", n)
	}
	named := strings.NewReplacer(`"}}`, afterError+`"}}`, `" .`, afterError+`" .`)
	var many strings.Builder
	for i := range 100 {
		many.WriteString(include(i))
	}
	const mistake = "{{if .x}}<a href='{{end}}"
	for name, c := range map[string]struct{ text, want string }{
		"loops":                    {loops(60, "x"), tooLong},
		"some loops":               {loops(22, "x"), tooLong},
		"loops around a long pipe": {loops(15, "{{1"+strings.Repeat("|print", 10000)+"}}"), tooLong},
		"loops in many templates":  {chain(500, "N"+loops(14, "x"), ""), tooLong},
		"loops and breaks":         {loops(30, "{{if .x}}{{break}}{{else if .y}}{{continue}}{{end}}"), tooLong},
		"many templates":           {chain(3000, "N", ""), tooLong},
		"templates and loops":      {chain(500, "N{{range .l}}{{end}}{{range .l}}{{end}}{{range .l}}{{end}}", ""), tooLong},

		"includes in a script":     {"<script>" + chain(60, "{{if .x}}S{{else}}[{{end}} N]", "") + "</script>", tooLong},
		"includes in an attribute": {`<a href="` + chain(60, "{{range .l}}N/{{end}}{{range .l}}N?{{end}}", "") + `">`, tooLong},
		"attributes in text":       {chain(60, `">N">{{if .x}}S"><a title="{{else}}"><a title="{{end}}`, `"><a title="`) + `">`, "cannot compute output context"},
		"text in attributes":       {`<a title="` + chain(60, `">N{{if .x}}S{{end}}<a href="`, "") + `">`, "cannot compute output context"},
		"all contexts":             {everywhere(include(0)) + chain(30, toText+everywhere("N"), toText), tooLong},
		"itself in all contexts":   {everywhere(include(0)) + chain(1, toText+everywhere("S"), ""), tooLong},
		"many in all contexts":     {everywhere(many.String()) + chain(99, "", ""), tooLong},

		"a mistake at the end":   {chain(60, "xNxN", mistake), "branches end in different contexts"},
		"a mistake before":       {mistake + chain(60, "xNxN", ""), "branches end in different contexts"},
		"a mistake, and a name":  {mistake + chain(60, "N", "") + named.Replace(chain(60, "NNS", "")), "branches end"},
		"braces that never end":  {"<script>" + chain(1, "`${ {{if .x}}S{{end}}", "") + "</script>", tooLong},
		"braces that are deeper": {"<script>`${ " + chain(1, "{ {{if .x}}S{{end}}", "") + "}`</script>", tooLong},
		"braces of two kinds":    {"<script>" + chain(60, "N`${ N}`", "") + "</script>", tooLong},
		"braces and branches":    {"<script>" + strings.Repeat("`${ ", 100000) + strings.Repeat("{{if .x}}{{end}}", 20000), tooLong},
		"braces and includes":    {"<script>" + strings.Repeat("`${ ", 20000) + strings.Repeat(include(0), 20000) + chain(1, "", ""), tooLong},
		"braces in a circle":     {"<script>" + chain(1, strings.Repeat("`${ ", 300)+strings.Repeat("{{if .x}}{{end}}", 30)+"{{if .x}}S{{end}}", "") + "</script>", tooLong},
	} {
		_, err := folder(t, map[string]string{"p.html": c.text}).execute("p.html", map[string]any{"x": nil, "y": nil, "l": nil})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.200v, want %s", name, err, c.want)
		}
	}
}

// TestATemplateThatTakesTooLongIsRefusedAgain checks the error of another page.
func TestATemplateThatTakesTooLongIsRefusedAgain(t *testing.T) {
	env := folder(t, map[string]string{"p.html": `{{template "q.html" .}}`, "q.html": "<script>" + chain(60, "{{if .x}}S{{else}}[{{end}} N]", "") + "</script>"})
	for range 3 {
		_, err := env.execute("p.html", map[string]any{"x": nil})
		checkError(t, "a page", err, "q.html: "+tooLong, "{{define}}")
	}
}

// TestTemplatesMayIncludeEachOther has templates that are escaped in few steps.
func TestTemplatesMayIncludeEachOther(t *testing.T) {
	kinds := chain(15, `<li class="{{template "class" .}}">{{range .l}}{{template "block" .}}{{end}}N`, "") + `{{define "class"}}c{{end}}{{define "block"}}`
	for i := range 15 {
		kinds += fmt.Sprintf("{{if eq .kind %d}}%s{{end}}", i, include(i))
	}
	json := `{{define "value"}}{{if .d}}{{template "dict" .}}{{else if .l}}{{template "list" .}}{{else}}{{.s}}{{end}}{{end}}` +
		`{{define "list"}}[{{range .l}}{{template "value" .}},{{end}}]{{end}}{{define "dict"}}{ {{range .l}}"x": {{template "value" .}},{{end}} }{{end}}`
	for name, c := range map[string]struct{ text, want string }{
		"a long chain":         {chain(300, "N", "x"), "x"},
		"twice":                {chain(20, "{{if .x}}NN{{end}}", "x"), ""},
		"a tree":               {chain(1, "<li>{{.s}}{{range .l}}S{{end}}", ""), "<li>&lt;"},
		"kinds of blocks":      {kinds + "{{end}}", `<li class="c">` + strings.Repeat(`<li class="c">`, 14)},
		"a list in a script":   {"<script>x = " + chain(1, "[{{range .l}}S,{{end}}]", "") + ";</script>", "<script>x = [];</script>"},
		"JSON in a script":     {`<script>x = {{template "value" .}};</script>` + json, `<script>x = "\u003c";</script>`},
		"header and footer":    {`{{template "head"}}x = {{.s}}{{template "foot"}}{{define "head"}}<script>{{end}}{{define "foot"}}</script>{{end}}`, `<script>x = "\u003c"</script>`},
		"titles":               {`<title>{{block "title" .}}{{.s}}{{end}}</title><body class="{{block "class" .}}c{{end}}">`, `<title>&lt;</title><body class="c">`},
		"a name":               {`<title>{{template "x"}}</title>{{define "x"}}x{{end}}{{define "x$htmltemplate_stateText"}}y{{end}}`, "<title>x</title>"},
		"a template literal":   {"<script>x = `${ {{template \"x\" .}} }`</script>{{define \"x\"}}{{.s}}{{end}}", "<script>x = `${ \"\\u003c\" }`</script>"},
		"loops":                {strings.Repeat("{{range .l}}", 10) + strings.Repeat("{{end}}", 10), ""},
		"loops around a table": {strings.Repeat("{{range .l}}", 5) + strings.Repeat("<td>{{.x}}</td>", 2000) + strings.Repeat("{{end}}", 5), ""},
	} {
		got, err := folder(t, map[string]string{"p.html": c.text}).execute("p.html",
			map[string]any{"x": nil, "s": "<", "d": nil, "l": []any{}, "kind": int64(0)})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
}

// TestElsewhereIsNeutralOnlyInText checks the text of a tripwire in each kind of context.
func TestElsewhereIsNeutralOnlyInText(t *testing.T) {
	escape := func(context string) error {
		set := template.Must(template.New("").Parse(context + "{{if false}}" + elsewhere + "{{end}}"))
		return set.Execute(io.Discard, nil)
	}
	if err := escape("<p>"); err != nil {
		t.Error(err)
	}
	contexts := []string{
		"<a ", "<a title", "<a title ", "<a title=", "<!--", "<title>", "<textarea>", "<textarea><", "<textarea></",
		"<script>", "<script>x", "<script>'", `<script>"`, "<script>`", "<script>`${ ", "<script>`${ { ", "<script>/", "<script>/*", "<script>//", "<script><!--", "<script>-->",
		"<script>{{if true}}x{{end}}", "<style>", "<style>'", `<style>"`, "<style>/*", "<style>//", "<style>url(", "<style>url('", `<style>url("`,
	}
	for _, attribute := range []string{"title", "href", "onclick", "style", "srcset", "type", "content"} {
		for _, element := range []string{"a", "script", "style", "textarea", "meta"} {
			for _, value := range []string{"x", `"`, "'", `"x`, `"/`, `"/?`, `"'`, `'"`, "\"`", "\"/*", `"//`, `"0;url=`, `"url('`} {
				contexts = append(contexts, "<"+element+" "+attribute+"="+value)
			}
		}
	}
	for _, context := range contexts {
		var wrong *template.Error
		switch err := escape(context); {
		case !errors.As(err, &wrong):
			t.Errorf("%s: got %v", context, err)
		case wrong.ErrorCode == template.ErrEndContext: // not at the {{if}}
			t.Errorf("%s: %v", context, err)
		}
	}
}
