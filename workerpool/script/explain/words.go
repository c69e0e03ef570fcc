package explain

import (
	"fmt"
	"strings"
)

// A word of Python that Starlark reserves or does not know.
type word struct {
	message string
	hint    func(spot) string
	early   bool // the parser complains one token later
}

func say(hint string) func(spot) string { return func(spot) string { return hint } }

const noExceptions = "an error ends the handler, and the client is answered at once; value, error = attempt(fn, args…) catches one"

// words are the lessons by the token that shows the mistake.
var words = map[string]word{
	"import":   {"Starlark has no import", importHint, false},
	"from":     {"Starlark has no from … import", fromHint, false},
	"class":    {"Starlark has no classes", say("write functions, and keep what belongs together in a dict"), false},
	"try":      {"Starlark has no try", say(noExceptions), false},
	"except":   {"Starlark has no except", say(noExceptions), false},
	"finally":  {"Starlark has no finally", say(noExceptions), false},
	"raise":    {"Starlark has no raise", say(`write fail("what went wrong")`), false},
	"with":     {"Starlark has no with", say("nothing here needs closing; call the function"), false},
	"yield":    {"Starlark has no yield", say("return a list; to send a response in pieces, StreamingHttpResponse(fn) with write(piece)"), false},
	"async":    {"Starlark has no async", say("write a plain def; other connections go on while a handler waits"), false},
	"await":    {"Starlark has no await", say("leave the word out; other connections go on while a handler waits"), false},
	"is":       {"Starlark has no is", isHint, false},
	"global":   {"Starlark has no global", say("keep what changes in state: state.set(key, value), state.get(key), state.incr(key)"), false},
	"nonlocal": {"Starlark has no nonlocal", say("keep what changes in a list or dict of the outer function"), false},
	"del":      {"Starlark has no del", delHint, false},
	"assert":   {"Starlark has no assert statement", say(`write: if not …: fail("what went wrong")`), true},
	"match":    {"Starlark has no match", say("write if and elif"), true},
	"print":    {"print is a function", printHint, true},
	"exec":     {"Starlark has no exec", say(`split the program into files: load("file.star", "name")`), true},
	"function": {"functions begin with def", say("write: def name(parameters):"), true},
	"var":      {"variables are not declared", say("leave out var: name = value"), true},
	"let":      {"variables are not declared", say("leave out let: name = value"), true},
	"const":    {"variables are not declared", say("leave out const: name = value"), true},
	"new":      {"objects are not made with new", say("leave the word out, and call the function"), true},
	"@":        {"Starlark has no decorators", say("list the function in channel_routing: view(path, fn), route(channel, fn)"), false},
	":=":       {"Starlark has no :=", say("assign on a line of its own before it is used"), false},
	"->":       {"Starlark has no type annotations", say("leave the -> and the type out"), false},
	"<>":       {"Starlark has no <>", say("write !="), false},
	"&&":       {"Starlark has no &&", say("write and"), false},
	"||":       {"Starlark has no ||", say("write or"), false},
	"!":        {"Starlark has no !", say("write not"), false},
	"++":       {"Starlark has no ++", say("write += 1"), false},
	"--":       {"Starlark has no --", say("write -= 1"), false},
	"`":        {"Starlark has no backticks", say("write str(…) for a text of a value, and quotes around a text"), false},
	"$":        {"$ means nothing in Starlark", say(`put values into a text with "{}".format(value)`), false},
	"?":        {"? means nothing in Starlark", say("write: a if condition else b"), false},
	"“":        {"“ is not a quote that Starlark knows", say(`write plain quotes: "…"`), false},
	"”":        {"” is not a quote that Starlark knows", say(`write plain quotes: "…"`), false},
	"‘":        {"‘ is not a quote that Starlark knows", say(`write plain quotes: '…'`), false},
	"’":        {"’ is not a quote that Starlark knows", say(`write plain quotes: '…'`), false},
}

// known says what of Python's modules is at hand without an import.
var known = map[string]string{
	"json": "json", "time": "time", "math": "math", "re": "re", "random": "random", "base64": "base64", "hashlib": "hashlib",
	"datetime": "time", "hmac": "hashlib", "secrets": "random and uuid4()", "uuid": "uuid4()", "logging": "log", "html": "html_escape",
	"urllib": "http, urlencode, quote and unquote", "requests": "http", "httpx": "http", "aiohttp": "http", "channels": "Group, Channel and route",
	"django": "view, render, redirect, HttpResponse and JsonResponse", "flask": "view, render and redirect",
}

func importHint(s spot) string {
	if s.starts() == "from" {
		s.at--
	}
	return modules(s.rel(1))
}

func fromHint(s spot) string { return modules(s.rel(1)) }

func modules(module string) string {
	switch here := known[module]; {
	case here == "":
		return `functions of another file are loaded: load("` + fileOf(module) + `.star", "name")`
	case strings.HasSuffix(here, ")") || strings.Contains(here, " "):
		return fmt.Sprintf("leave the line out; %s are built in", here)
	default:
		return fmt.Sprintf("leave the line out; %s is built in", here)
	}
}

func fileOf(module string) string {
	if module == "" || module == "." {
		return "file"
	}
	return module
}

func isHint(s spot) string {
	if s.rel(1) == "not" {
		return "write !="
	}
	return "write =="
}

func delHint(s spot) string {
	rest := strings.Join(s.rest(1), "")
	if open := strings.IndexByte(rest, '['); open > 0 && strings.HasSuffix(rest, "]") {
		return fmt.Sprintf("write %s.pop(%s)", rest[:open], rest[open+1:len(rest)-1])
	}
	return "names need no deletion; dict.pop(key) removes a key"
}

func printHint(s spot) string {
	return fmt.Sprintf("write print(%s)", strings.Join(s.rest(1), " "))
}
