package explain

import (
	"fmt"
	"regexp"
	"strings"

	"asgibox/internal/spell"

	"go.starlark.net/starlark"
)

// A mishap is an error of the interpreter that has a lesson. Its pattern's
// groups are written into the hint.
type mishap struct {
	pattern *regexp.Regexp
	hint    string
}

func on(pattern, hint string) mishap { return mishap{regexp.MustCompile(pattern), hint} }

const frozen = "what a file sets at its top level is shared by all workers and frozen once loaded; keep what changes in state, message.channel_session or request.session"

var mishaps = []mishap{
	on(`cannot .* frozen `, frozen),
	on(`cannot \S+ (?:\S+ )?(list|hash table|set|dict) during iteration`, "loop over a copy: for x in list(xs)"),
	on(`^global variable (\S+) referenced before assignment`, "$1 gets its value further down in the file"),
	on(`^local variable (\S+) referenced before assignment`, "a function that assigns to $1 has a $1 of its own, which has no value yet; "+
		"take another name, or keep what changes in state"),
	on(`^string value is not iterable`, "write: for c in text.elems()"),
	on(`^bytes value is not iterable`, "write: for b in data.elems()"),
	on(`^int value is not iterable`, "write: for i in range(n)"),
	on(`^(function|builtin_function_or_method) value is not iterable`, "the function is named but not called: add ()"),
	on(`^NoneType value is not iterable`, "there is no value; does every path of the function return one?"),
	on(`^NoneType has no \.(\S+) field`, "there is no value here: None has nothing; test for it before"),
	on(`^unknown binary op: builtin_function_or_method >> `, "print is a function: print(value)"),
	on(`^unknown binary op: string \+ (int|float|bool|NoneType|list|dict)`, `write "…" + str(value), or "… {}".format(value)`),
	on(`^unknown binary op: (int|float|bool|NoneType|list|dict) \+ string`, `write str(value) + "…"`),
	on(`^unknown binary op: (string \+ bytes|bytes \+ string)`, "bytes and text are never joined: str(data) makes text, bytes(text) makes bytes"),
	on(`^unknown binary op: set \+ set`, "write a | b"),
	on(`^unknown binary op: dict \+ dict`, "write a | b"),
	on(`^unknown binary op: list - list`, "write [x for x in a if x not in b]"),
	on(`^unknown binary op: NoneType `, "the left side has no value: None"),
	on(`^unknown binary op: \S+ \S+ NoneType`, "the right side has no value: None"),
	on(`^not enough arguments for format string`, "each %s takes one value: text % (a, b)"),
	on(`^too many arguments for format string`, "each value needs its %s"),
	on(`^%d format requires integer`, "use %s, or int(value)"),
	on(`^unknown conversion %`, "Starlark's % knows s, r, d, i, o, x, X, e, f, g, c and %; it takes no widths"),
	on(`format spec features not supported`, "Starlark's format takes {} and {name} only; a number is rounded by math.round"),
	on(`attribute syntax x\.y is not supported`, `write "{}".format(x.y)`),
	on(`element syntax a\[i\] is not supported`, `write "{}".format(a[i])`),
	on(`^format: keyword (\S+) not found`, "give it a value: format($1=value)"),
	on(`^string has no \.encode `, "write bytes(text)"),
	on(`^string has no \.decode `, "it is text already"),
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
	on(`^dict has no \.(\S+) field or method$`, `a key is read by d["$1"]`),
	on(`^can't assign to \.(\S+) field of dict`, `write d["$1"] = value`),
	on(`^string value does not support item assignment`, "a text never changes; build a new one"),
	on(`^tuple value does not support item assignment`, "a tuple never changes; use a list: list(t)"),
	on(`^unhashable type: (list|dict|set)`, "a key must not change; use a tuple, or a text"),
	on(`^(?:send|reply): unexpected keyword argument "?(\w+)"?`, `a message is one dict: send({"$1": …})`),
	on(`^render: unexpected keyword argument "?(\w+)"?`, `the context is one dict: render("page.html", {"$1": …})`),
	on(`^print: unexpected keyword argument`, "print writes one line each time"),
	on(`^invalid message: it is (?:text|bytes); a message is a dict`, `write {"text": …} to a WebSocket, {"status": 200, "content": …} to a request`),
	on(`a channel is named by text, not (message|request)`, "write $1.reply_channel"),
	on(`^request has no \.user field`, `who somebody is, you keep yourself: request.session["user"] = name`),
	on(`^request has no \.(args|query|params|query_params) field`, `the query is request.GET.get("key")`),
	on(`^request has no \.form field`, `a form is request.POST.get("key")`),
	on(`^request has no \.files field`, `uploads are request.FILES["key"]`),
	on(`^request has no \.data field`, "the body is request.body, request.text or request.json()"),
	on(`^message has no \.(\S+) field or method$`, `a key is read by message["$1"]`),
	on(`^invalid call of non-function \((GET|POST|FILES|headers)\)`, "write request.$1.get(key)"),
	on(`^invalid call of non-function \((?:module|state|layer)\)`, "call one of its functions, like log.info(message), state.get(key)"),
	on(`^unhandled index operation state\[`, "write state.get(key)"),
	on(`^state value does not support item assignment`, "write state.set(key, value)"),
	on(`^string has no \.(hexdigest|digest) `, "it is hexadecimal text already"),
	on(`\(--handler-timeout\)$`, `does a loop never end? work that takes long belongs on a channel of its own: Channel("jobs").send({…})`),
	on(`^channel ".*" is full`, "does anybody read it? layer.send(channel, message, wait=seconds) waits for room, attempt(…) goes on without"),
	on(`^invalid call of non-function \(NoneType\)`, "there is nothing to call: None"),
	on(`^invalid call of non-function \((string|int|dict|list)\)`, "a $1 cannot be called; is a name used twice?"),
	on(`^string (<|>|<=|>=) int not implemented`, "write int(text) first"),
	on(`^int (<|>|<=|>=) string not implemented`, "write int(text) first"),
	on(`^int: invalid literal`, "test the text before: text.isdigit()"),
	on(`^too (many|few) values to unpack`, "the names left of = and the values must be as many"),
	on(`^got (\S+) in sequence assignment`, "the value right of = must be a list or tuple"),
	on(`value of type NoneType has no len`, "there is no value here: None; a frame has text or bytes, and the other is None"),
	on(`^json\.decode: (at offset|unexpected)`, "json.decode(text, default=None) answers None for such a text"),
	on(`^Starlark stack overflow`, "a function calls itself without end"),
	on(`^(floored division|floating-point division|integer modulo|floating-point modulo) by zero`, "test for 0 before"),
}

var (
	spelled = regexp.MustCompile(` \((did you mean .*\?)\)$`)
	noAttr  = regexp.MustCompile(`^\S+ has no \.(\S+) field or method$`)
	noKey   = regexp.MustCompile(`^key "(.*)" not in (\S+)$`)

	// wrongCall is a call that does not fit the function's parameters.
	wrongCall = regexp.MustCompile(`^function \S+ (missing|accepts|got) `)

	// notLoaded is a name that a load statement wants of a file without it.
	notLoaded = regexp.MustCompile(`load: name (\S+) not found in module (\S+)$`)
	topNames  = regexp.MustCompile(`(?m)^(?:def\s+)?([A-Za-z]\w*)\s*(?:=[^=]|\()`)
)

// teachRunning adds the lesson for an error of the interpreter, if there is
// one.
func (o Options) teachRunning(e *Explanation, err *starlark.EvalError) {
	if m := spelled.FindStringSubmatchIndex(e.Message); m != nil {
		e.Hint = e.Message[m[2]:m[3]]
		e.Message = e.Message[:m[0]]
		return
	}
	for _, m := range mishaps {
		if at := m.pattern.FindStringSubmatchIndex(err.Msg); at != nil {
			e.Hint = string(m.pattern.ExpandString(nil, m.hint, err.Msg, at))
			return
		}
		if i := strings.Index(err.Msg, ": "); i > 0 && !strings.ContainsRune(err.Msg[:i], ' ') {
			if at := m.pattern.FindStringSubmatchIndex(err.Msg[i+2:]); at != nil {
				e.Hint = string(m.pattern.ExpandString(nil, m.hint, err.Msg[i+2:], at))
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
		o.blameCaller(e)
	}
}

// loadHint suggests a name that a file sets for one that it does not.
func (o Options) loadHint(name, file string) string {
	src, _ := o.source(file)
	var names []string
	for _, m := range topNames.FindAllStringSubmatch(src, -1) {
		names = append(names, m[1])
	}
	if near := spell.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return fmt.Sprintf("%s must set it at its top level: def %s(…), or %s = …", file, name, name)
}

// attrHint suggests an attribute of a module or another predeclared value,
// which the program names right before the dot.
func (o Options) attrHint(attr string, e *Explanation) string {
	f, _ := e.Place()
	src, _ := o.source(f.File)
	tokens := scan(src)
	for i, t := range tokens {
		if i == 0 || t.line != f.Line || t.col != f.Col || t.text != "." {
			continue
		}
		owner := tokens[i-1].text
		if hint, ok := pythonCalls[owner+"."+attr]; ok {
			return "write " + hint
		}
		if v, ok := o.Predeclared[owner].(starlark.HasAttrs); ok {
			if near := spell.Nearest(attr, v.AttrNames()); near != "" {
				return fmt.Sprintf("did you mean %s.%s?", owner, near)
			}
			return fmt.Sprintf("%s has %s", owner, strings.Join(v.AttrNames(), ", "))
		}
	}
	return ""
}

// blameCaller points to the call of a function, not to the function: its def
// line is the hint.
func (o Options) blameCaller(e *Explanation) {
	n := len(e.Frames)
	if n == 0 {
		return
	}
	def := e.Frames[n-1]
	src, _ := o.source(def.File)
	line := regexp.MustCompile(`(?m)^\s*(def ` + regexp.QuoteMeta(def.Func) + `\(.*)$`)
	if m := line.FindAllStringSubmatch(src, 2); len(m) == 1 {
		e.Hint = "it is " + m[0][1]
	}
	if n > 1 {
		e.Frames = e.Frames[:n-1]
	}
}

// pythonCalls are calls of Python's modules by what to write instead.
var pythonCalls = map[string]string{
	"json.loads": "json.decode(text)", "json.load": "json.decode(text)", "json.dumps": "json.encode(value)", "json.dump": "json.encode(value)",
	"time.time": "time.now().unix", "time.sleep": "sleep(seconds)", "time.strftime": "time.now().format(\"2006-01-02 15:04\")",
	"re.compile": "re.search(pattern, text): patterns are kept compiled", "re.fullmatch": "re.match(pattern + \"$\", text)",
	"random.uniform": "a + random.random() * (b - a)", "random.sample": "random.shuffle(xs)[:n]", "random.randrange": "random.randint(a, b - 1)",
	"base64.b64encode": "base64.encode(data)", "base64.b64decode": "base64.decode(text)", "base64.urlsafe_b64decode": "base64.decode(text)",
	"http.put": "http.request(\"PUT\", url, body=…)", "http.delete": "http.request(\"DELETE\", url)", "http.patch": "http.request(\"PATCH\", url, body=…)",
	"http.head": "http.request(\"HEAD\", url)", "log.warn": "log.warning(message)", "log.exception": "log.error(message)", "log.critical": "log.error(message)",
	"layer.group_send": "layer.send_group(group, message)", "state.pop": "state.delete(key)", "state.items": "[(key, state.get(key)) for key in state.keys()]",
}

// keyHint suggests a key for one that is not there, from the texts that the
// same file writes: the dict itself is gone.
func (o Options) keyHint(key, container string, e *Explanation) string {
	hint := fmt.Sprintf("%s.get(%q) answers None where there is none", short(container), key)
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

func short(container string) string {
	if container == "dict" {
		return "d"
	}
	return container
}
