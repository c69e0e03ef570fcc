package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"asgibox/internal/spell"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
)

// maxMistakes is how many undefined names are explained at once.
const maxMistakes = 10

// names explains the errors of the resolver, which reports all it finds.
func (o Options) names(errs resolve.ErrorList) Explanation {
	e := o.name(errs[0])
	for _, err := range errs[1:min(len(errs), maxMistakes)] {
		e.More = append(e.More, o.name(err))
	}
	return e
}

func (o Options) name(err resolve.Error) Explanation {
	pos := err.Pos
	e := Explanation{Message: err.Msg, Frames: []Frame{o.frame(pos.Filename(), int(pos.Line), int(pos.Col), "")}}
	undefined, ok := strings.CutPrefix(err.Msg, "undefined: ")
	if !ok {
		e.Hint = resolverHints[err.Msg]
		return e
	}
	undefined, _, _ = strings.Cut(undefined, " (did you mean")
	e.Message = fmt.Sprintf("%s is not defined", undefined)
	e.Hint = o.undefinedHint(pos.Filename(), undefined)
	return e
}

// undefinedHint suggests what to write instead of an undefined name.
func (o Options) undefinedHint(file, undefined string) string {
	if hint, ok := pythonNames[undefined]; ok {
		return hint
	}
	if names, ok := builtIn[undefined]; ok {
		return "built in: " + names
	}
	src, _ := o.source(file)
	assigned := assignments(src)
	candidates := slices.Concat(assigned, o.Predeclared.Keys(), starlark.Universe.Keys())
	if strings.ToLower(undefined) == undefined { // a variable, not a misspelt True, False or None
		candidates = slices.DeleteFunc(candidates, func(name string) bool { return name == "True" || name == "False" || name == "None" })
	}
	if near := spell.Nearest(undefined, candidates); near != "" {
		return "did you mean " + near + "?"
	}
	if slices.Contains(assigned, undefined) {
		return "a name assigned in a function exists in that function only; return its value, or pass it as an argument"
	}
	return ""
}

// assignments returns the names that a file defines: with =, def, for, load and
// as parameters.
func assignments(src string) []string {
	var out []string
	tokens := scan(src)
	for i, t := range tokens {
		if t.kind != name || slices.Contains(keywords, t.text) {
			continue
		}
		var before, after string
		if i > 0 {
			before = tokens[i-1].text
		}
		if i+1 < len(tokens) {
			after = tokens[i+1].text
		}
		if before == "def" || before == "for" || before != "." && (after == "=" || after == ",") || after == "in" {
			out = append(out, t.text)
		}
		if before == "(" && i > 2 && tokens[i-3].text == "def" {
			out = append(out, t.text)
		}
	}
	for _, m := range loaded.FindAllStringSubmatch(src, -1) {
		for _, q := range quotedName.FindAllStringSubmatch(m[1], -1) {
			out = append(out, q[1])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var (
	loaded     = regexp.MustCompile(`(?m)^load\(\s*"[^"]*"\s*,([^)]*)\)`)
	quotedName = regexp.MustCompile(`(?:^|[\s,])"(\w+)"`)
)

var resolverHints = map[string]string{
	"return statement not within a function":     "write return inside a def; to end a file early, put the rest into an if",
	"load statement within a function":           "write load at the top of the file",
	"load statement within a loop":               "write load at the top of the file",
	"load statement within a conditional":        "write load at the top of the file",
	"positional argument may not follow named":   "put the arguments with = last",
	"required parameter may not follow optional": "put the parameters with = last",
}

const (
	noExceptionTypes = `Starlark has no exceptions; fail("what went wrong") ends the handler, attempt(fn, args…) catches an error`
	noFiles          = "a program cannot open files; render, static and FileResponse send them, state stores data"
	noEval           = `split the program into files: load("file.star", "name")`
	noDecorator      = "Starlark has no decorators and no classes"
	noIterators      = "Starlark has no iterators; use a list"
	byType           = `write type(x) == "string"`
)

// pythonNames maps names of Python and other languages to hints what to write
// instead.
var pythonNames = map[string]string{
	"isinstance": byType, "issubclass": byType, "callable": `write type(f) == "function"`,
	"open": noFiles, "file": noFiles, "os": noFiles, "sys": "settings holds the values of --set and .env; log and print write to the terminal",
	"input": "a worker has no keyboard; user input arrives in requests and messages", "raw_input": "user input arrives in requests and messages",
	"sum": "add up in a for loop", "map": "write [f(x) for x in xs]", "filter": "write [x for x in xs if …]", "reduce": "write a for loop",
	"round": "write math.round(x)", "pow": "write math.pow(a, b)", "divmod": "write a // b and a % b",
	"bin": `Starlark has no bin; "%o" and "%x" write octal and hexadecimal`, "hex": `write "%x" % n`, "oct": `write "%o" % n`,
	"format": `write "{}".format(value)`, "ascii": "write repr(x)", "unicode": "write str(x)", "long": "write int(x)", "xrange": "write range(n)",
	"basestring": byType, "frozenset": "write set(xs)", "bytearray": "write bytes(x)", "memoryview": "write bytes(x)", "object": "write a dict",
	"complex": "Starlark has no complex numbers", "iter": noIterators, "next": noIterators, "id": "compare values with ==", "slice": "write xs[a:b]",
	"super": noDecorator, "self": noDecorator, "property": noDecorator, "staticmethod": noDecorator, "classmethod": noDecorator, "this": noDecorator,
	"eval": noEval, "exec": noEval, "compile": noEval, "__import__": noEval, "require": noEval, "vars": "write dir(x)", "locals": "store the values in a dict", "globals": "store the values in a dict",
	"setattr": "write d[key] = value", "delattr": "write d.pop(key)", "assert": `write: if not …: fail("what went wrong")`,
	"__name__": "leave out the test: the file is the program", "__file__": "paths are relative to the folder of the file",
	"true": "did you mean True?", "false": "did you mean False?", "null": "did you mean None?", "nil": "did you mean None?", "undefined": "did you mean None?", "none": "did you mean None?", "NULL": "did you mean None?",
	"console": "did you mean print, or log?", "printf": `write print("…".format(value))`, "echo": "did you mean print?",
	"asyncio": "write plain functions; other connections continue while a handler waits", "threading": "write plain functions; handlers already run in parallel",
	"setTimeout": "write Channel(name).send_later(seconds, content)", "setInterval": "write every(seconds, channel)",
	"Exception": noExceptionTypes, "ValueError": noExceptionTypes, "KeyError": noExceptionTypes, "TypeError": noExceptionTypes,
	"RuntimeError": noExceptionTypes, "IndexError": noExceptionTypes, "DenyConnection": "write message.deny()", "ConsumeLater": "write message.consume_later()",
	"Http404": `write return HttpResponse("…", status=404)`, "HttpResponseRedirect": "write redirect(url)",
	"consumer": "a consumer is a plain function listed in channel_routing", "channel_layer": "did you mean layer?", "session": "did you mean message.channel_session, or request.session?",
}
