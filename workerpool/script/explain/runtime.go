package explain

import (
	"fmt"
	"regexp"
	"strings"

	"asgibox/internal/spell"

	"go.starlark.net/starlark"
)

// A runtimeRule gives the hint for an error of the interpreter. The hint may
// contain groups of the pattern, like $1.
type runtimeRule struct {
	pattern *regexp.Regexp
	hint    string
}

func on(pattern, hint string) runtimeRule { return runtimeRule{regexp.MustCompile(pattern), hint} }

const frozen = "values set at the top level of a file cannot change after loading, because all workers share them; store values that change in state, message.channel_session or request.session"

var runtimeRules = []runtimeRule{
	on(`cannot .* frozen `, frozen),
	on(`cannot \S+ (?:\S+ )?(list|hash table|set|dict) during iteration`, "loop over a copy: for x in list(xs)"),
	on(`^global variable (\S+) referenced before assignment`, "$1 gets its value further down in the file; move the assignment up"),
	on(`^local variable (\S+) referenced before assignment`, "this function assigns to $1, so $1 is local to it and has no value yet; "+
		"use another name, or store values that change in state"),
	on(`^string value is not iterable`, "write: for c in text.elems()"),
	on(`^bytes value is not iterable`, "write: for b in data.elems()"),
	on(`^int value is not iterable`, "write: for i in range(n)"),
	on(`^(function|builtin_function_or_method) value is not iterable`, "this is the function itself; add () to call it"),
	on(`^NoneType value is not iterable`, "the value is None; check that every path of the function returns a value"),
	on(`^NoneType has no \.(\S+) field`, "the value is None, which has no fields; check for None first"),
	on(`^unknown binary op: builtin_function_or_method >> `, "print is a function; write print(value)"),
	on(`^unknown binary op: string \+ (int|float|bool|NoneType|list|dict)`, `write "…" + str(value), or "… {}".format(value)`),
	on(`^unknown binary op: (int|float|bool|NoneType|list|dict) \+ string`, `write str(value) + "…"`),
	on(`^unknown binary op: (string \+ bytes|bytes \+ string)`, "bytes and text cannot be joined; str(data) makes text, bytes(text) makes bytes"),
	on(`^unknown binary op: set \+ set`, "write a | b"),
	on(`^unknown binary op: dict \+ dict`, "write a | b"),
	on(`^unknown binary op: list - list`, "write [x for x in a if x not in b]"),
	on(`^unknown binary op: NoneType `, "the left side is None"),
	on(`^unknown binary op: \S+ \S+ NoneType`, "the right side is None"),
	on(`^not enough arguments for format string`, "each %s takes one value: text % (a, b)"),
	on(`^too many arguments for format string`, "write one %s for each value"),
	on(`^%d format requires integer`, "use %s, or int(value)"),
	on(`^unknown conversion %`, "after % Starlark knows s, r, d, i, o, x, X, e, f, g, c and %, and no widths"),
	on(`format spec features not supported`, "format supports only {} and {name}; to round a number, write math.round(x)"),
	on(`attribute syntax x\.y is not supported`, `write "{}".format(x.y)`),
	on(`element syntax a\[i\] is not supported`, `write "{}".format(a[i])`),
	on(`^format: keyword (\S+) not found`, "give it a value: format($1=value)"),
	on(`^string has no \.encode `, "write bytes(text)"),
	on(`^string has no \.decode `, "the value is already text"),
	on(`^bytes has no \.decode `, "write str(data)"),
	on(`^string has no \.(isnumeric|isdecimal) `, "write text.isdigit()"),
	on(`^string has no \.zfill `, `write "0" * (n - len(text)) + text`),
	on(`^dict has no \.has_key `, "write key in d"),
	on(`^dict has no \.iter(items|keys|values) `, "write d.$1()"),
	on(`^dict has no \.copy `, "write dict(d)"),
	on(`^list has no \.copy `, "write list(xs)"),
	on(`^list has no \.sort `, "write xs = sorted(xs)"),
	on(`^list has no \.reverse `, "write xs = reversed(xs)"),
	on(`^list has no \.(push|add) `, "write xs.append(x)"),
	on(`^list has no \.(length|size) `, "write len(xs)"),
	on(`^string has no \.(length|size) `, "write len(text)"),
	on(`^string has no \.toUpperCase `, "write text.upper()"),
	on(`^string has no \.(trim) `, "write text.strip()"),
	on(`^dict has no \.(\S+) field or method$`, `to read a key, write d["$1"]`),
	on(`^can't assign to \.(\S+) field of dict`, `write d["$1"] = value`),
	on(`^can't assign to \.(\S+) field of message`, `write message["$1"] = value`),
	on(`^can't assign to \.(\S+) field of session`, `write request.session["$1"] = value`),
	on(`^can't assign to \.(\S+) field of state`, `write state.set("$1", value)`),
	on(`^can't assign to \.session field of request`, `change its keys: request.session["key"] = value; request.session.clear() removes all`),
	on(`^can't assign to \.(\S+) field of request`, `a request cannot be changed; pass the value to your functions, or keep it in request.session["$1"]`),
	on(`^(can't assign to \.\S+ field of settings|settings value does not support item assignment)`, "settings come from .env and --set NAME=VALUE, and cannot be changed here; store values that change in state"),
	on(`^can't assign to \.(\S+) field of `, "its fields cannot be changed; use a variable or a dict of your own"),
	on(`^(GET|POST|FILES) value does not support item assignment`, "the data of a request cannot be changed; request.$1.dict() is a copy"),
	on(`^headers value does not support item assignment`, `the headers of a request cannot be changed; to set one of a response, write response["x-name"] = value`),
	on(`^string value does not support item assignment`, "text cannot be changed; build a new text"),
	on(`^tuple value does not support item assignment`, "a tuple cannot be changed; use a list: list(t)"),
	on(`^unhashable type: (list|dict|set)`, "a key must be a value that cannot change, like a tuple or text"),
	on(`^(?:send|reply): unexpected keyword argument "?(\w+)"?`, `a message is one dict: send({"$1": …})`),
	on(`^render: unexpected keyword argument "?(\w+)"?`, `the context is one dict: render("page.html", {"$1": …})`),
	on(`^print: unexpected keyword argument`, "each print writes one line"),
	on(`^invalid message: it is (?:text|bytes); a message must be a dict`, `write {"text": …} to a WebSocket, {"status": 200, "content": …} to a request`),
	on(`a channel name must be text, not (message|request)`, "write $1.reply_channel"),
	on(`^request has no \.user field`, `store the user yourself: request.session["user"] = name`),
	on(`^request has no \.(args|query|params|query_params) field`, `to read the query, write request.GET.get("key")`),
	on(`^request has no \.form field`, `to read a form, write request.POST.get("key")`),
	on(`^request has no \.files field`, `to read an upload, write request.FILES["key"]`),
	on(`^request has no \.data field`, "to read the body, write request.body, request.text or request.json()"),
	on(`^HttpResponse has no \.content_type field`, `write response["content-type"]`),
	on(`^HttpResponse has no \.(cookies|COOKIES) field`, "write response.set_cookie(name, value)"),
	on(`^message has no \.(\S+) field or method$`, `to read a key, write message["$1"]`),
	on(`^invalid call of non-function \((GET|POST|FILES|headers)\)`, "write request.$1.get(key)"),
	on(`^invalid call of non-function \((?:module|state|layer)\)`, "call one of its functions, like log.info(message), state.get(key)"),
	on(`^unhandled index operation state\[`, "write state.get(key)"),
	on(`^state value does not support item assignment`, "write state.set(key, value)"),
	on(`^string has no \.(hexdigest|digest) `, "the value is already hexadecimal text"),
	on(`\(--handler-timeout\)$`, `check for a loop that never ends; move long work to a channel of its own: Channel("jobs").send({…})`),
	on(`^channel ".*" is full`, "check that a consumer reads it; layer.send(channel, message, wait=seconds) waits for room, attempt(…) continues without sending"),
	on(`^invalid call of non-function \(NoneType\)`, "the value is None, which cannot be called"),
	on(`^invalid call of non-function \((string|int|dict|list)\)`, "a $1 cannot be called; check that its name is not used twice"),
	on(`^string (<|>|<=|>=) int not implemented`, "write int(text) first"),
	on(`^int (<|>|<=|>=) string not implemented`, "write int(text) first"),
	on(`^int: invalid literal`, "check the text first: text.isdigit()"),
	on(`^too (many|few) values to unpack`, "write as many names left of = as there are values"),
	on(`^got (\S+) in sequence assignment`, "the value right of = must be a list or tuple"),
	on(`value of type NoneType has no len`, "the value is None; a WebSocket frame has text or bytes, and the other one is None"),
	on(`^json\.decode: (at offset|unexpected)`, "json.decode(text, default=None) returns None for invalid JSON"),
	on(`^Starlark stack overflow`, "check for a function that calls itself forever"),
	on(`^(floored division|floating-point division|integer modulo|floating-point modulo) by zero`, "check for 0 first"),
}

var (
	suggestion = regexp.MustCompile(` \((did you mean .*\?)\)$`)
	noAttr     = regexp.MustCompile(`^\S+ has no \.(\S+) field or method$`)
	noKey      = regexp.MustCompile(`^key "(.*)" not in (\S+)$`)

	// wrongCall is a call whose arguments do not match the parameters.
	wrongCall = regexp.MustCompile(`^function \S+ (missing|accepts|got) `)

	// notLoaded is a load of a name that the file does not define.
	notLoaded = regexp.MustCompile(`load: name (\S+) not found in module (\S+)$`)
	topNames  = regexp.MustCompile(`(?m)^(?:def\s+)?([A-Za-z]\w*)\s*(?:=[^=]|\()`)
)

// longestHinted is the length in bytes of the longest message that gets a hint.
// To match megabytes takes long, and such a message is cut before it is shown.
const longestHinted = 64 << 10

// addRuntimeHint adds the hint for an error of the interpreter, if there is
// one.
func (o Options) addRuntimeHint(e *Explanation, err *starlark.EvalError) {
	if len(err.Msg) > longestHinted {
		return
	}
	if m := suggestion.FindStringSubmatchIndex(e.Message); m != nil {
		e.Hint = e.Message[m[2]:m[3]]
		e.Message = e.Message[:m[0]]
		return
	}
	// A built-in function may put its name in front of the message.
	messages := []string{err.Msg}
	if name, rest, ok := strings.Cut(err.Msg, ": "); ok && name != "" && !strings.ContainsRune(name, ' ') {
		messages = append(messages, rest)
	}
	for _, r := range runtimeRules {
		for _, message := range messages {
			if at := r.pattern.FindStringSubmatchIndex(message); at != nil {
				e.Hint = string(r.pattern.ExpandString(nil, r.hint, message, at))
				return
			}
		}
	}
	switch {
	case notLoaded.MatchString(err.Msg):
		m := notLoaded.FindStringSubmatch(err.Msg)
		e.Hint = o.loadHint(m[1], m[2])
	case noKey.MatchString(err.Msg):
		m := noKey.FindStringSubmatch(err.Msg)
		e.Hint = o.keyHint(m[1], m[2], e)
	case noAttr.MatchString(err.Msg):
		e.Hint = o.attrHint(noAttr.FindStringSubmatch(err.Msg)[1], e)
	case wrongCall.MatchString(err.Msg):
		o.pointToCall(e)
	}
}

// loadHint suggests a name that the file defines instead of one that it does
// not define.
func (o Options) loadHint(name, file string) string {
	src, _ := o.source(file)
	var names []string
	for _, m := range topNames.FindAllStringSubmatch(src, -1) {
		names = append(names, m[1])
	}
	if near := spell.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return fmt.Sprintf("define it at the top level of %s: def %s(…), or %s = …", file, name, name)
}

// attrHint suggests an attribute of the module or other predeclared value
// whose name is directly before the dot.
func (o Options) attrHint(attr string, e *Explanation) string {
	f, _ := e.Place()
	src, _ := o.source(f.File)
	tokens := scan(src)
	for i, t := range tokens {
		if i == 0 || t.line != f.Line || t.col != f.Col || t.text != "." {
			continue
		}
		value := tokens[i-1].text
		if hint, ok := pythonCalls[value+"."+attr]; ok {
			return "write " + hint
		}
		if v, ok := o.Predeclared[value].(starlark.HasAttrs); ok {
			if near := spell.Nearest(attr, v.AttrNames()); near != "" {
				return fmt.Sprintf("did you mean %s.%s?", value, near)
			}
			return fmt.Sprintf("%s has %s", value, strings.Join(v.AttrNames(), ", "))
		}
	}
	return ""
}

// pointToCall points to the call of a function instead of the function, and
// makes the def line the hint.
func (o Options) pointToCall(e *Explanation) {
	n := len(e.Frames)
	if n == 0 {
		return
	}
	def := e.Frames[n-1]
	src, _ := o.source(def.File)
	line := regexp.MustCompile(`(?m)^\s*(def ` + regexp.QuoteMeta(def.Func) + `\(.*)$`)
	if m := line.FindAllStringSubmatch(src, 2); len(m) == 1 {
		e.Hint = "the function is " + m[0][1]
	}
	if n > 1 {
		e.Frames = e.Frames[:n-1]
	}
}

// pythonCalls maps calls of Python's modules to their replacements.
var pythonCalls = map[string]string{
	"json.loads": "json.decode(text)", "json.load": "json.decode(text)", "json.dumps": "json.encode(value)", "json.dump": "json.encode(value)",
	"time.time": "time.now().unix", "time.sleep": "sleep(seconds)", "time.strftime": "time.now().format(\"2006-01-02 15:04\")",
	"re.compile": "re.search(pattern, text), which caches compiled patterns", "re.fullmatch": "re.match(pattern + \"$\", text)",
	"random.uniform": "a + random.random() * (b - a)", "random.sample": "random.shuffle(xs)[:n]", "random.randrange": "random.randint(a, b - 1)",
	"base64.b64encode": "base64.encode(data)", "base64.b64decode": "base64.decode(text)", "base64.urlsafe_b64decode": "base64.decode(text)",
	"http.put": "http.request(\"PUT\", url, body=…)", "http.delete": "http.request(\"DELETE\", url)", "http.patch": "http.request(\"PATCH\", url, body=…)",
	"http.head": "http.request(\"HEAD\", url)", "log.warn": "log.warning(message)", "log.exception": "log.error(message)", "log.critical": "log.error(message)",
	"layer.group_send": "layer.send_group(group, message)", "state.pop": "state.delete(key)", "state.items": "[(key, state.get(key)) for key in state.keys()]",
}

// keyHint suggests a key for one that is missing. The dict is not available
// any more, so the candidates are the texts in the same file.
func (o Options) keyHint(key, container string, e *Explanation) string {
	if container == "dict" {
		container = "d"
	}
	hint := fmt.Sprintf("%s.get(%q) returns None if there is no such key", container, key)
	f, ok := e.Place()
	if !ok {
		return hint
	}
	src, _ := o.source(f.File)
	var texts []string
	for _, t := range scan(src) {
		if t.kind == text && len(t.text) < 40 {
			texts = append(texts, strings.Trim(t.text, `"'`))
		}
	}
	if near := spell.Nearest(key, texts); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return hint
}
