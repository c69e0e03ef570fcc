package explain

import (
	"fmt"
	"strings"
)

// A foreignToken explains a token of Python or another language that Starlark
// does not have.
type foreignToken struct {
	message string
	hint    func(position) string
	early   bool // whether the parser reports the token after it
}

// constant returns a hint that does not depend on the program.
func constant(hint string) func(position) string { return func(position) string { return hint } }

const noExceptions = "an error ends the handler; to catch it, write: value, error = attempt(fn, args…)"

var foreignTokens = map[string]foreignToken{
	"import":   {"Starlark has no import", importHint, false},
	"from":     {"Starlark has no from … import", fromHint, false},
	"class":    {"Starlark has no classes", constant("write functions, and store related values in a dict"), false},
	"try":      {"Starlark has no try", constant(noExceptions), false},
	"except":   {"Starlark has no except", constant(noExceptions), false},
	"finally":  {"Starlark has no finally", constant(noExceptions), false},
	"raise":    {"Starlark has no raise", constant(`write fail("what went wrong")`), false},
	"with":     {"Starlark has no with", constant("nothing here needs closing; call the function"), false},
	"yield":    {"Starlark has no yield", constant("return a list; to send a response in pieces, StreamingHttpResponse(fn) with write(piece)"), false},
	"async":    {"Starlark has no async", constant("write a plain def; other connections continue while a handler waits"), false},
	"await":    {"Starlark has no await", constant("leave out await; other connections continue while a handler waits"), false},
	"is":       {"Starlark has no is", isHint, false},
	"global":   {"Starlark has no global", constant("store values that change in state: state.set(key, value), state.get(key), state.incr(key)"), false},
	"nonlocal": {"Starlark has no nonlocal", constant("store values that change in a list or dict of the outer function"), false},
	"del":      {"Starlark has no del", delHint, false},
	"assert":   {"Starlark has no assert statement", constant(`write: if not …: fail("what went wrong")`), true},
	"match":    {"Starlark has no match", constant("write if and elif"), true},
	"print":    {"print is a function", printHint, true},
	"exec":     {"Starlark has no exec", constant(`split the program into files: load("file.star", "name")`), true},
	"function": {"a function begins with def", constant("write: def name(parameters):"), true},
	"var":      {"Starlark variables are not declared", constant("leave out var: name = value"), true},
	"let":      {"Starlark variables are not declared", constant("leave out let: name = value"), true},
	"const":    {"Starlark variables are not declared", constant("leave out const: name = value"), true},
	"new":      {"Starlark has no new", constant("leave out new, and call the function"), true},
	"@":        {"Starlark has no decorators", constant("add the function to channel_routing: view(path, fn) or route(channel, fn)"), false},
	":=":       {"Starlark has no :=", constant("assign the name on a line of its own before its first use"), false},
	"->":       {"Starlark has no type annotations", constant("leave out the -> and the type"), false},
	"<>":       {"Starlark has no <>", constant("write !="), false},
	"&&":       {"Starlark has no &&", constant("write and"), false},
	"||":       {"Starlark has no ||", constant("write or"), false},
	"!":        {"Starlark has no !", constant("write not"), false},
	"++":       {"Starlark has no ++", constant("write += 1"), false},
	"--":       {"Starlark has no --", constant("write -= 1"), false},
	"`":        {"Starlark has no backticks", constant("write str(…) to turn a value into text, and quotes around text"), false},
	"$":        {"Starlark has no $", constant(`to put a value into text, write "{}".format(value)`), false},
	"?":        {"Starlark has no ?", constant("write: a if condition else b"), false},
	"“":        {"“ is not a quote in Starlark", constant(`write plain quotes: "…"`), false},
	"”":        {"” is not a quote in Starlark", constant(`write plain quotes: "…"`), false},
	"‘":        {"‘ is not a quote in Starlark", constant(`write plain quotes: '…'`), false},
	"’":        {"’ is not a quote in Starlark", constant(`write plain quotes: '…'`), false},
}

// builtIn maps modules of Python to the built-in names that replace them.
var builtIn = map[string]string{
	"json": "json", "time": "time", "math": "math", "re": "re", "random": "random", "base64": "base64", "hashlib": "hashlib", "bcrypt": "password",
	"datetime": "time", "hmac": "hashlib", "secrets": "random and uuid4()", "uuid": "uuid4()", "logging": "log", "html": "html_escape",
	"urllib": "http, urlencode, quote and unquote", "requests": "http", "httpx": "http", "aiohttp": "http", "channels": "Group, Channel and route",
	"django": "view, render, redirect, HttpResponse and JsonResponse", "flask": "view, render and redirect",
}

func importHint(s position) string {
	if s.firstWord() == "from" {
		s.at--
	}
	return fromHint(s)
}

func fromHint(s position) string {
	module := s.neighbour(1)
	switch names := builtIn[module]; {
	case names == "":
		if module == "" || module == "." {
			module = "file"
		}
		return fmt.Sprintf(`to use functions of another file, write load("%s.star", "name")`, module)
	case strings.HasSuffix(names, ")") || strings.Contains(names, " "):
		return fmt.Sprintf("leave the line out; %s are built in", names)
	default:
		return fmt.Sprintf("leave the line out; %s is built in", names)
	}
}

func isHint(s position) string {
	if s.neighbour(1) == "not" {
		return "write !="
	}
	return "write =="
}

func delHint(s position) string {
	rest := strings.Join(s.rest(1), "")
	if open := strings.IndexByte(rest, '['); open > 0 && strings.HasSuffix(rest, "]") {
		return fmt.Sprintf("write %s.pop(%s)", rest[:open], rest[open+1:len(rest)-1])
	}
	return "a name cannot be deleted; dict.pop(key) removes a key"
}

func printHint(s position) string {
	return fmt.Sprintf("write print(%s)", strings.Join(s.rest(1), " "))
}
