package web

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/asgi"
)

// longPage renders a template with a long text s, and a list and a dict that contain
// such a text many times.
func longPage(t *testing.T, text string) (asgi.Bytes, error) {
	t.Helper()
	long := strings.Repeat("x", 1_000_000)
	many := slices.Repeat([]any{long}, 800)
	return folder(t, map[string]string{"p.html": text}).execute("p.html", map[string]any{
		"s": long, "l": many, "d": map[string]any{"k": many}, "row": slices.Repeat([]any{1}, 1000), "ms": time.Millisecond, "t": time.Unix(1763000000, 0).UTC(),
	})
}

// TestTextsOfATemplateAreLimited checks that no template makes a text of any
// length, even if the page does not contain it.
func TestTextsOfATemplateAreLimited(t *testing.T) {
	const value, together = "a value would be longer than 16 MiB as text", "the values and results of functions would be longer than 64 MiB together"
	const grow = "{{$x := .s}}{{range 40}}{{$x = %s}}{{end}}"
	for text, want := range map[string]string{
		"{{.l}}":                                   value,
		"{{.d}}":                                   value,
		"{{html .l}}":                              value,
		"{{html .s .l}}":                           value,
		"{{.l | html}}":                            value,
		"{{.l | urlquery}}":                        value,
		"{{js .l}}":                                value,
		"{{println .l}}":                           value,
		"{{len (print .l)}}":                       value,
		"{{len (print .l | html)}}":                value,
		"{{with print .l}}{{end}}":                 value,
		"{{$x := print .l}}":                       value,
		"{{slice .l 1}}":                           value,
		"{{or .l 1}}":                              value,
		"{{if eq .l .l}}{{end}}":                   value,
		"{{if .l | ne 1}}{{end}}":                  value,
		"{{index .d .l}}":                          value,
		"<script>var x = {{.l}}</script>":          value,
		"<script>var x = '{{.l}}'</script>":        value,
		"<script>var x = `{{.l}}`</script>":        value,
		"<script>var x = /{{.l}}/</script>":        value,
		"<style>a { color: {{.l}} }</style>":       value,
		"<style>a { background: '{{.l}}'}</style>": value,
		`<a href="{{.l}}">`:                        value,
		`<a href="/?{{.l}}">`:                      value,
		`<a href="/?{{.l | urlquery}}">`:           value,
		`<a title="{{.l}}">`:                       value,
		`<a title={{.l}}>`:                         value,
		`<a {{.l}}>`:                               value,
		`<a style="color:{{.l}}">`:                 value,
		`<a onclick="f({{.l}})">`:                  value,
		`<img srcset="{{.l}}">`:                    value,
		`<textarea>{{.l}}</textarea>`:              value,
		`<!-- {{.l}} -->`:                          value,
		`{{template "a" .}}{{define "a"}}<script>{{template "b" .l}}</script>{{end}}{{define "b"}}{{.}}{{end}}`: value,
		`{{block "a" (print .l)}}{{end}}`: value,

		`{{printf "%1000000d%1000000d" .row .row}}`:                          value,
		`{{printf "%.1000000f" .row}}`:                                       value,
		`{{printf "%*d" 1000000 .row}}`:                                      value,
		`{{printf "%*d" .ms .row}}`:                                          value,
		`{{print ` + strings.Repeat(".row ", 100000) + `}}`:                  value,
		`{{printf "%v" .l}}`:                                                 value,
		`{{printf "%[1]s` + strings.Repeat("%[1]s", 20) + `" .s}}`:           value,
		`{{printf "%d" 1 .l}}`:                                               value,
		`{{printf (print .s .s .s .s .s .s .s .s .s .s "%d") .l}}`:           value,
		fmt.Sprintf(grow, "print $x $x"):                                     value,
		fmt.Sprintf(grow, "$x | printf \"%s%[1]s\""):                         value,
		fmt.Sprintf(grow, "(printf \"%s%[1]s\" $x)"):                         value,
		`{{$x := "\\"}}{{range 40}}{{$x = js $x}}{{end}}`:                    value,
		`{{$x := "1"}}{{range 40}}{{$x = $.t.Format $x}}{{end}}`:             value,
		`{{$x := "1"}}{{range 40}}{{$x = ($x | $.t.Format)}}{{end}}`:         value,
		`{{$x := "1"}}{{range 40}}{{if $x = ($.t).Format $x}}{{end}}{{end}}`: value,

		"{{range 1000000}}{{if print $.s}}{{end}}{{end}}":                         together,
		"{{range 1000000}}{{if eq $.s (slice $.s 1)}}{{end}}{{end}}":              together,
		"{{range 1000000}}{{if $.s | lt $.s}}{{end}}{{end}}":                      together,
		"{{range 1000000}}{{with index $.d (slice $.s 0 1) \"x\"}}{{end}}{{end}}": "index",
		"<style>{{range 1000000}}a:{{$.s}};{{end}}</style>":                       "",
		"{{range 1000000}}<!-- {{$.s}} -->{{end}}":                                together,
		"{{range 1000000}}<a href='javascript:{{$.s}}'>{{end}}":                   "",
	} {
		_, err := longPage(t, text)
		checkError(t, text, err, want, "")
	}
}

// TestPrintfCountsEachArgumentAsOftenAsItIsUsed uses a long argument once and a short
// one often.
func TestPrintfCountsEachArgumentAsOftenAsItIsUsed(t *testing.T) {
	got, err := longPage(t, `{{printf "%[2]s`+strings.Repeat("%[1]d", 20)+`" 1 .s}}`)
	if err != nil || len(got) != 1_000_020 {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	for _, format := range []string{strings.Repeat("%[2]s", 20), "%[2]s" + strings.Repeat("%[1]*[2]s", 20), strings.Repeat("%5 [2]s%[2]s", 20)} {
		_, err := longPage(t, `{{printf "`+format+`" 1 .s}}`)
		checkError(t, format, err, "a value would be longer than 16 MiB as text", "")
	}
}

func TestALongTextIsAnErrorWithItsPlace(t *testing.T) {
	for text, place := range map[string]string{
		"a\n{{.l}}":                       "p.html:2:3: ",
		"<p>{{len (print .l)}}":           "p.html:1:11: ",
		`<p>{{printf "%v" (slice .l 1)}}`: "p.html:1:6: ",
		`<script>{{template "a" .}}</script>{{define "a"}}{{.l}}{{end}}`:      "p.html:1:52: ",
		`<script>{{template "a" .}}</script>{{define "a"}}{{eq .l 1}}{{end}}`: "p.html:1:52: ",
	} {
		_, err := longPage(t, text)
		checkError(t, text, err, place+"a value would be longer", "")
	}
}

func TestRenderLimitsTexts(t *testing.T) {
	files := map[string]string{"p.html": "{{.l}}"}
	_, err := rendered(t, files, `render("p.html", {"l": ["x" * 1000000] * 800})`)
	checkError(t, "render", err, "a value would be longer than 16 MiB as text", "")

	long := slices.Repeat([]any{strings.Repeat("x", 1_000_000)}, 17)
	m := asgi.MustMessage(asgi.Field{Key: "context", Value: map[string]any{"l": long}})
	context, _ := m.Get("context")
	_, err = folder(t, files).Render("p.html", context.(asgi.Dict))
	checkError(t, "Render, for Python", err, "a value would be longer than 16 MiB as text", "")
}

// TestGuardedTemplatesAreUnchanged checks functions and methods that a guard changes.
func TestGuardedTemplatesAreUnchanged(t *testing.T) {
	data := map[string]any{
		"s": "a<b&", "n": int64(3), "f": 1.5, "none": nil, "yes": true, "l": []any{"x", int64(1), nil}, "d": map[string]any{"k": "v", "a": nil},
		"t": time.Date(2026, 11, 29, 8, 5, 0, 0, time.UTC),
	}
	for text, want := range map[string]string{
		"{{.s}}|{{.none}}|{{.l}}|{{.d}}|{{.f}}|{{.yes}}|{{1}}|{{print nil}}":                                                                              "a&lt;b&amp;||[x 1 &lt;nil&gt;]|map[a:&lt;nil&gt; k:v]|1.5|true|1|&lt;nil&gt;",
		"{{html .s}}|{{.s | html}}|{{html .s .n}}|{{print .s | html}}":                                                                                    "a&lt;b&amp;|a&lt;b&amp;|a&lt;b&amp;3|a&lt;b&amp;",
		"{{.s | urlquery}}|{{urlquery .s \"é\"}}|{{js .s}}|{{println .n 1}}":                                                                              "a%3Cb%26|a%3Cb%26%C3%A9|a\\u003Cb\\u0026|3 1\n",
		`{{printf "%s %q %05d %.2f %v %T" .s .s .n .f .l .n}}`:                                                                                            "a&lt;b&amp; &#34;a&lt;b&amp;&#34; 00003 1.50 [x 1 &lt;nil&gt;] int64",
		`{{printf "%*d|%-4d|%[1]d|%%" 4 .n}}`:                                                                                                             "   3|%!d(MISSING)|4|%",
		`{{if eq .n 3}}3{{end}}{{if eq .s "a" "a<b&"}}s{{end}}{{if .n | lt 2}}<{{end}}{{if eq .none nil}}nil{{end}}{{if eq .l nil}}no{{end}}`:             "3s&lt;nil",
		`{{index .l 1}}{{index .d "k"}}{{"k" | index .d}}{{index .d .d.k | print}}{{slice .s 1}}{{len .s}}`:                                               "1vv&lt;nil&gt;&lt;b&amp;4",
		`{{.t.Year}} {{.t.Format "15:04"}} {{(.t.AddDate 0 1 0).Month}} {{"2006" | .t.Format}} {{(.t.Sub .t).Hours}}`:                                     "2026 08:05 December 2026 0",
		`{{range $i, $x := .l}}{{$i}}{{$x}},{{else}}none{{end}}{{range $k, $v := .d}}{{$k}}{{end}}{{range 3}}{{.}}{{end}}{{range .none}}{{else}}-{{end}}`: "0x,11,2,ak012-",
		`{{$x := .s}}{{$x = print $x .n}}{{$x}}{{with $y := .n}}{{$y}}{{end}}`:                                                                            "a&lt;b&amp;33",
		`<a href="/{{.s}}?{{.s}}" onclick="f({{.d}})" title={{.s}} style="color:{{.n}}">`:                                                                 `<a href="/a%3cb&amp;?a%3cb%26" onclick="f({&#34;a&#34;:null,&#34;k&#34;:&#34;v&#34;})" title=a&lt;b&amp; style="color:3">`,
		`<script>x = {{.none}}; y = {{.l}}; z = "{{.s}}"; t = {{.t}}</script>`:                                                                            `<script>x =  null ; y = ["x",1,null]; z = "a\u003cb\u0026"; t = "2026-11-29T08:05:00Z"</script>`,
	} {
		got, err := folder(t, map[string]string{"p.html": text}).execute("p.html", data)
		if err != nil || string(got) != want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", text, got, err, want)
		}
	}
}

// TestPagesAreCountedSeparately checks that neither an earlier page of a template nor
// one that is made at the same time counts.
func TestPagesAreCountedSeparately(t *testing.T) {
	env := folder(t, map[string]string{"p.html": "{{len (print .s .s)}}{{if .bad}}{{.bad.x}}{{end}}"})
	long := strings.Repeat("x", 5<<20)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			env.execute("p.html", map[string]any{"s": long, "bad": i})
			got, err := env.execute("p.html", map[string]any{"s": long, "bad": nil})
			if err != nil || got != "10485760" {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
	wg.Wait()
}

// TestTemplatesThatIncludeThemselvesForEverAreRefused: package template needs minutes to
// report a deep inclusion within loops.
func TestTemplatesThatIncludeThemselvesForEverAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"in a loop":   `{{define "node"}}<li>{{range .row}}{{template "node" $}}{{end}}</li>{{end}}{{template "node" .}}`,
		"alone":       `{{define "node"}}{{template "node" .}}{{end}}{{template "node" .}}`,
		"without dot": `{{define "node"}}a{{template "node"}}{{end}}{{template "node"}}`,
		"in turn":     `{{define "a"}}{{with .}}{{template "b" .}}{{end}}{{end}}{{define "b"}}{{if .}}{{template "a" .}}{{end}}{{end}}{{template "a" .}}`,
		"in a script": `{{define "node"}}{{range .row}}{{template "node" $}}{{end}}1;{{end}}<script>{{template "node" .}}</script>`,
	} {
		_, err := longPage(t, text)
		if err == nil || !strings.Contains(err.Error(), "templates include one another more than 1000 deep") {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

// TestTemplatesMayIncludeThemselves writes a tree of 500 levels and a list of 3,000 items.
func TestTemplatesMayIncludeThemselves(t *testing.T) {
	tree := map[string]any{"children": []any{}}
	for range 500 {
		tree = map[string]any{"children": []any{tree}}
	}
	set := folder(t, map[string]string{
		"tree.html":  `{{define "node"}}<li>{{range .children}}{{template "node" .}}{{end}}</li>{{end}}{{template "node" .}}`,
		"names.html": `{{define "b"}}{{.}}{{end}}{{$_ := 7}}{{$_}} {{range $_, $x := .}}{{$_ := 8}}{{$_}} {{template "b" $x}} {{$_}}{{end}} {{$_}}`,
		"list.html":  `{{define "item"}}<script>f({{.}})</script>{{end}}{{range .}}{{template "item" .}}{{end}}`,
	})
	page, err := set.execute("tree.html", tree)
	if want := strings.Repeat("<li>", 501) + strings.Repeat("</li>", 501); err != nil || string(page) != want {
		t.Errorf("%d bytes, %v", len(page), err)
	}
	page, err = set.execute("names.html", []any{"x"})
	if want := "7 8 x 8 7"; err != nil || string(page) != want {
		t.Errorf("%q, %v, want %q", page, err, want)
	}
	page, err = set.execute("list.html", slices.Repeat([]any{"x"}, 3000))
	if want := strings.Repeat(`<script>f("x")</script>`, 3000); err != nil || string(page) != want {
		t.Errorf("%d bytes, %v", len(page), err)
	}
}
