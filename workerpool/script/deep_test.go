package script_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"asgibox/workerpool"
)

// deepValues makes values that overflow the stack, or take very long, where
// they are followed without a limit.
const deepValues = `
def deep_tuple():
    t = (1,)
    for i in range(20000):
        t = (t,)
    return t
def deep_list():
    l = []
    for i in range(20000):
        l = [l]
    return l
def circle():
    l = []
    l.append(l)
    return l
def wide():
    t = ("a" * 100,)
    for i in range(60):
        t = (t, t)
    return t
def broad():
    return [[[[1] * 1000] * 1000] * 1000]
def crowds():
    return [[(k * 16000 + i) << 32 for i in range(16000)] for k in range(12)]
def row():
    return [1] * 1500
def square(x, times):
    for i in range(times):
        x = x * x
    return x
def multiply(x, y):
    x *= y
def multiply_at(x, y):
    x[0] *= y
def add(x, y):
    x += y
def double(x):
    for i in range(40):
        x = x + x
def texts():
    return ["a" * 10000000] * 1000
def count(*args):
    return len(args)
def itself(message):
    message["me"] = message
    return message
def alone(message):
    message.clear()
    return itself(message)
def around(message):
    l = [message]
    message["l"] = l
    return l
`

// deepUses maps uses of such values to the error of the handler.
var deepUses = map[string]string{
	`HttpResponse("x", headers={"a": circle()})`:         "the header a is a list",
	`HttpResponse("x", headers=[("a", circle())])`:       "the header a is a list",
	`HttpResponse("x", headers=[deep_tuple()])`:          "headers[0] is a tuple",
	`set_header(HttpResponse("x"), circle())`:            "the header a is a list",
	`HttpResponse("x", status=deep_list())`:              "status is a list",
	`"%s" % (deep_tuple(),)`:                             "nests deeper than 1000",
	`"x" * (1 << 40)`:                                    "*: the text would be longer than 16 MiB",
	`(1 << 40) * "x"`:                                    "*: the text would be longer than 16 MiB",
	`("x" * 10000000) * len("ab")`:                       "*: the text would be longer than 16 MiB",
	`b"x" * (1 << 25)`:                                   "*: the bytes would be longer than 16 MiB",
	`[0] * (1 << 25)`:                                    "*: the list would have more than 4194304 items",
	`(1 << 25) * (0,)`:                                   "*: the tuple would have more than 4194304 items",
	`multiply("x", 1 << 25)`:                             "*: the text would be longer than 16 MiB",
	`multiply_at(["x"], 1 << 25)`:                        "*: the text would be longer than 16 MiB",
	`square(3, 30)`:                                      "*: the number would have more than 1048576 bits",
	`("a" * 1000000).replace("a", "b" * 1000)`:           "replace: the text would be longer than 16 MiB",
	`("a" * 1000000).replace("", "b" * 1000)`:            "replace: the text would be longer than 16 MiB",
	`getattr("a" * 1000000, "replace")("a", "b" * 1000)`: "replace: the text would be longer than 16 MiB",
	`", ".join(["a" * 1000000] * 20)`:                    "join: the text would be longer than 16 MiB",
	`("a" * 1000000).join(["b"] * 20)`:                   "join: the text would be longer than 16 MiB",
	`("b" * 1000000).join(("a" * 1000).elems())`:         "join: the text would be longer than 16 MiB",
	`("b" * 1000000).join(("a" * 1000).codepoints())`:    "join: the text would be longer than 16 MiB",
	`print(*["a" * 1000000] * 20)`:                       "print: the text would be longer than 16 MiB",
	`fail(*["a" * 1000000] * 20)`:                        "fail: the text would be longer than 16 MiB",
	`print(sep="b" * 1000000, *["a"] * 20)`:              "print: the text would be longer than 16 MiB",
	`re.search("(a|b){1000}c", "ab" * 4000000)`:          "would take too long",
	`re.sub("(a|b){1000}c", "", "ab" * 4000000)`:         "would take too long",
	`re.match("(" * 1000000, "")`:                        "it may have at most 65536",
	`re.split("a" * 70000, "a")`:                         "it may have at most 65536",
	`double([1])`:                                        "the list has 8388608 items",
	`double((1,))`:                                       "the tuple has 8388608 items",
	`double("x")`:                                        "the text on the right of + has 33554432 bytes",
	`double(b"x")`:                                       "the text on the right of + has 33554432 bytes",
	`add("x", "x" * 10000000 + "x" * 10000000)`:          "the text on the right of + has 20000000 bytes",
	`texts() == texts()`:                                 "cannot be compared",
	`texts() in [texts()]`:                               "cannot be searched for",
	`set([i << 32 for i in range(40000)])`:               "set: too many of the keys have equal hashes",
	`dict([(i << 32, 1) for i in range(40000)])`:         "dict: too many of the keys have equal hashes",
	`set().union([(i << 32,) for i in range(40000)])`:    "union: too many of the keys have equal hashes",
	`dict([{i << 32: 0, "v": 0} for i in range(40000)])`: "dict: too many of the keys have equal hashes",
	`dict(set([(i << 32, i) for i in range(40000)]))`:    "dict: too many of the keys have equal hashes",
	`set().union(*crowds())`:                             "union: too many of the keys have equal hashes",
	`set().update(*crowds())`:                            "update: too many of the keys have equal hashes",
	`[].extend(range(1 << 40))`:                          "extend: the range has 1099511627776 items",
	`add([], range(1 << 40))`:                            "the range has 1099511627776 items",
	`count(*range(1 << 40))`:                             "the range has 1099511627776 items",
	`bytes(range(1 << 40))`:                              "bytes: the range has 1099511627776 items",
	`set().update(range(1 << 40))`:                       "update: the range has 1099511627776 items",
	`set().union(range(1 << 40))`:                        "union: the range has 1099511627776 items",
	`{}.update(range(1 << 40))`:                          "update: the range has 1099511627776 items",
	`random.shuffle(range(1 << 40))`:                     "random.shuffle: the range has 1099511627776 items",
	`broad() == broad()`:                                 "cannot be compared",
	`{"a": (broad(),)} != {"a": (broad(),)}`:             "cannot be compared",
	`row() in [row()]`:                                   "cannot be searched for",
	`tuple(row()) not in [row()]`:                        "cannot be searched for",
	`[row()].index(row())`:                               "index: the list cannot be searched for",
	`[row()].remove(row())`:                              "remove: the list cannot be searched for",
	`sorted([broad(), broad()])`:                         "sorted: the values to compare",
	`sorted([1, 2], lambda x: broad())`:                  "sorted: the values to compare",
	`max(broad(), broad())`:                              "max: the values to compare",
	`min([1, 2], key=lambda x: broad())`:                 "min: the values to compare",
	`HttpResponse("x", headers={"a": ["b"] * 2000})`:     "at most 1000",
	`HttpResponse("x", headers=[("a", "b")] * 2000)`:     "at most 1000",
	`"%s" % deep_list()`:                                 "nests deeper than 1000",
	`"%r and %(a)s" % {"a": deep_list()}`:                "nests deeper than 1000",
	`"%s" % (wide(),)`:                                   "longer than 16 MiB",
	`("%s" * 20) % (("a" * 1000000,) * 20)`:              "longer than 16 MiB",
	`("%(a)s" * 20) % {"a": "a" * 1000000}`:              "longer than 16 MiB",
	`remainder("%s", (deep_tuple(),))`:                   "nests deeper than 1000",
	`remainder_at(["%s"], (deep_tuple(),))`:              "nests deeper than 1000",
	`remainder_at(["%(a)s"], {"a": "b"})`:                "cannot be written as a[i] %= x",
	`"{}".format(deep_tuple())`:                          "nests deeper than 1000",
	`"{} {}".format("a", deep_tuple())`:                  "nests deeper than 1000",
	`{}.get(*[deep_tuple()])`:                            "too large for a key",
	`"{a!r}".format(a=deep_list())`:                      "nests deeper than 1000",
	`"{1}".format(1, wide())`:                            "longer than 16 MiB",
	`("{0}" * 20).format("a" * 1000000)`:                 "longer than 16 MiB",
	`getattr("{}", "format")(deep_tuple())`:              "nests deeper than 1000",
	`{}[deep_tuple()]`:                                   "too large for a key",
	`{}[wide()]`:                                         "too large for a key",
	`{deep_tuple(): 1}`:                                  "too large for a key",
	`{k: 1 for k in [deep_tuple()]}`:                     "too large for a key",
	`assign({}, deep_tuple())`:                           "too large for a key",
	`deep_tuple() in {}`:                                 "too large for a key",
	`deep_tuple() not in set()`:                          "too large for a key",
	`{}.get(deep_tuple())`:                               "too large for a key",
	`{}.pop(deep_tuple(), None)`:                         "too large for a key",
	`{}.setdefault(wide())`:                              "too large for a key",
	`{}.update([(deep_tuple(), 1)])`:                     "too large for a key",
	`getattr({}, "get")(deep_tuple())`:                   "too large for a key",
	`dict([(deep_tuple(), 1)])`:                          "too large for a key",
	`set([deep_tuple()])`:                                "too large for a key",
	`set().add(deep_tuple())`:                            "too large for a key",
	`set().union([wide()])`:                              "too large for a key",
	`request.GET[deep_tuple()]`:                          "too large for a key",
	`request.message.get(deep_tuple()) or fail("none")`:  "none",
	`request.message.setdefault(deep_tuple(), 1)`:        "too large for a key",
	`request.message[deep_tuple()]`:                      "too large for a key",
	`int("9" * 3000000)`:                                 "a number has at most 10000 digits",
	`int(x="9" * 3000000)`:                               "a number has at most 10000 digits",
	`json.decode("[" + "9" * 3000000 + "]")`:             "a number of more than 10000 digits",
	`str(deep_tuple())`:                                  "nests deeper than 1000",
	`repr(deep_list())`:                                  "nests deeper than 1000",
	`print(deep_list())`:                                 "nests deeper than 1000",
	`fail(deep_tuple())`:                                 "nests deeper than 1000",
	`log.info("x", a=deep_list())`:                       "nests deeper than 1000",
	`str(itself(request.message))`:                       "nests deeper than 1000",
	`"%s" % itself(request.message)`:                     "nests deeper than 1000",
	`str(around(request.message))`:                       "nests deeper than 1000",
	`json.encode(alone(request.message))`:                "nests deeper than 1000",
	`json.encode({"a": deep_list()})`:                    "nests deeper than 1000",
	`JsonResponse(deep_list())`:                          "nests deeper than 1000",
	`render("page.html", {"a": deep_list()})`:            "the context is too large",
	`render("page.html", itself(request.message))`:       "the context is too large",
	`layer.send("c", {"a": deep_list()})`:                "nested deeper than 100",
	`layer.send("c", itself(request.message))`:           "nested deeper than 100",
	`layer.send("c", {wide(): 1})`:                       "too large for a key",
	`layer.send("c", {("a" * 1000, 1): 1})`:              "its key a tuple is a tuple",
	`state.set("a", deep_tuple())`:                       "nested deeper than 100",
	`request.message.channel_session.update(a=circle())`: "nested deeper than 100",
	`CROWD | {}`:                                         "too many of the keys have equal hashes",
	`{} | CROWD`:                                         "too many of the keys have equal hashes",
	`set() ^ CROWD_SET`:                                  "too many of the keys have equal hashes",
	`CROWD_SET - set()`:                                  "too many of the keys have equal hashes",
	`dict(CROWD)`:                                        "dict: too many of the keys have equal hashes",
	`set(CROWD)`:                                         "set: too many of the keys have equal hashes",
	`CROWD_SET.issuperset([33999 << 13] * 100000)`:       "issuperset: too many of the keys have equal hashes",
	`[CROWD] * 100 == [CROWD] * 100`:                     "cannot be compared",
	`sorted([CROWD_SET] * 4)`:                            "sorted: the values to compare",
	`deep_list() == deep_list()`:                         "maximum recursion depth",
	`sorted([deep_tuple(), deep_tuple()])`:               "maximum recursion depth",
	`deep_tuple() in [deep_tuple()]`:                     "too large for a key",
	`deep_list() in [deep_list()]`:                       "maximum recursion depth",
	`urlencode({"a": deep_tuple()})`:                     "nests deeper than 1000",
	`urlencode([deep_tuple()])`:                          "urlencode: a tuple is not a pair",
	`sleep(deep_list())`:                                 "sleep: a list is not a valid time",
	`settings[deep_list()]`:                              "there is no setting a list",
	`redirect("/", headers={"a": deep_list()})`:          "the header a is a list",
}

func TestADeepValueFailsOnlyItsHandler(t *testing.T) {
	var app strings.Builder
	app.WriteString(deepValues + `
def set_header(response, v):
    response["a"] = v
    return response
def assign(d, k):
    d[k] = 1
def remainder(a, b):
    a %= b
    return a
def remainder_at(a, b):
    a[0] %= b
    return a
CROWD = {i << 13: i for i in range(34000)}
CROWD_SET = set()
for i in CROWD:
    CROWD_SET.add(i)
channel_routing = [view("/", lambda request: "fine")]
`)
	want := map[string]string{}
	n := 0
	for use, text := range deepUses {
		path := fmt.Sprintf("/%d", n)
		fmt.Fprintf(&app, "def view%d(request):\n    return %s\nchannel_routing.append(view(%q, view%d))\n", n, use, path, n)
		want[path] = text
		n++
	}
	c := setup{files: map[string]string{"page.html": `{{.}}`}}
	c.pool.LoadTimeout = time.Hour // the race detector makes loading slow
	s := c.serve(t, app.String())
	wantFailures(t, s, want)
}

func TestADeepValueFailsOnlyTheLoad(t *testing.T) {
	s := setup{pool: workerpool.Options{LoadTimeout: 10 * time.Second}}.serve(t, `channel_routing = [view("/", lambda request: "fine")]`)
	for source, text := range map[string]string{
		"x = deep_tuple()":                       "the global x: it nests deeper than 1000",
		"x = deep_list()":                        "the global x: it nests deeper than 1000",
		"x = wide()":                             "the global x: it contains more than",
		"x = lambda: 1\ndef f(a=deep_list()): x": "the global f: it nests deeper",
		"def make():\n    def f(): return f\n    return f\nx = make()":                    "a function in it refers to itself",
		"x = circle()\nchannel_routing = x":                                               "contains itself",
		"x = []\nfor i in range(40): x = [route(\"a\", fail), x, x]\nchannel_routing = x": "more than 100000 routes",
		"x = []\nfor i in range(40): x = [include(x), include(x)]\nchannel_routing = x":   "more than 100000 routes",
		"x = []\nfor i in range(9000): x = [include(x)]\nchannel_routing = x":             "include calls nest deeper than 100",
		"x = {deep_tuple(): 1}": "too large for a key",
	} {
		err := s.reload(deepValues + "channel_routing = []\n" + source + "\n")
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %q", source, err, text)
		}
		s.want("/", 200, "fine")
	}
	if err := s.reload("x = [[1]]\nx.append(x)\ndef f(): return x\nchannel_routing = [view(\"/\", lambda request: \"again\")]\n"); err != nil {
		t.Errorf("a list that contains itself: %v", err)
	}
	s.want("/", 200, "again")
}

func TestTheGlobalsOfLoadedFilesAreFrozen(t *testing.T) {
	c := setup{files: map[string]string{"lib.star": "L = []\ndef add():\n    L.append(1)\n"}}
	s := c.serve(t, `
load("lib.star", "add")
channel_routing = [view("/add", lambda request: add()), view("/", lambda request: "fine")]
`)
	wantFailures(t, s, map[string]string{"/add": "cannot append to frozen list"})
	s.write("deep.star", deepValues+"x = deep_list()\n")
	if err := s.reload("load(\"deep.star\", \"x\")\nchannel_routing = []\n"); err == nil || !strings.Contains(err.Error(), "deep.star: the global x: it nests deeper") {
		t.Errorf("a deep global of a loaded file: %v", err)
	}
}

func TestGuardedOperatorsGiveTheSameResults(t *testing.T) {
	s := serve(t, `
def check(name, got, want):
    if got != want or type(got) != type(want):
        fail("%s: %r, not %r" % (name, got, want))
def lower(text):
    return text.lower()
def results(request):
    n, text, d = 7, "%s!", {"a": {"b": 1}, (1, 2): "pair"}
    n %= 4
    check("int", n, 3)
    check("float", 7.5 % 2, 1.5)
    text %= "hi"
    check("name", text, "hi!")
    l = ["%d"]
    l[0] %= 5
    check("item", l, ["5"])
    check("tuple", "%s %r %d%%" % ("a", "b", 3), "a \"b\" 3%")
    check("mapping", "%(a)s-%(a)s" % {"a": 1}, "1-1")
    check("format", "{} {} {{}}".format(1, "b"), "1 b {}")
    check("format named", "{a}{0!r}{a}".format("x", a=2), "2\"x\"2")
    check("bound", [f(1) for f in ["{}".format, "<{}>".format]], ["1", "<1>"])
    check("product", [n * n, n * 2.5, 2 * n, n * "ab", "ab" * n, b"a" * 2, [n] * n, n * (n,), "a" * -n, [] * (1 << 60)],
        [9, 7.5, 6, "ababab", "ababab", b"aa", [3, 3, 3], (3, 3, 3), "", []])
    check("large product", (1 << 100) * (1 << 100) * n // (1 << 200), 3)
    check("duration", time.parse_duration("2s") * n, time.parse_duration("6s"))
    x, xs, same = 3, [1], [[2]]
    x *= n
    same[0] *= n
    check("multiplied", (x, same), (9, [[2, 2, 2]]))
    alias = xs
    xs += range(2)
    xs += (5,)
    x += n
    check("added", (alias, x), ([1, 0, 1, 5], 12))
    check("sums", [text + text, [n] + alias[:1], (n,) + (x,), b"a" + bytes("b"), n + x, n + 0.5 * x],
        ["hi!hi!", [7 % 4, 1], (3, 12), b"ab", 15, 9.0])
    check("duration sum", time.parse_duration("1s") + time.parse_duration("2s"), time.parse_duration("3s"))
    alias.extend(range(2))
    alias.remove(5)
    check("list", (alias, alias.index(0), "abc".index("c")), ([1, 0, 1, 0, 1], 1, 2))
    check("called", max(*[1, 2]), 2)
    check("join", ["-".join(("a", "b")), n * "-".join(["a"]), ",".join({"a": 1}), ",".join(set(["a"])), text.join(*[["1", "2"]])],
        ["a-b", "aaa", "a", "a", "1hi!2"])
    check("replace", ["aba".replace("a", "cc"), text.replace(text, "", 1), "aba".replace("a", n * "d", 1), "ab".replace("", "-")],
        ["ccbcc", "", "dddba", "-a-b-"])
    check("sorted", (sorted([2, 1], key=lambda v: -v), sorted(["b", "A"], lower), max([1, -2], key=abs), min(2, 1)),
        ([2, 1], ["A", "b"], -2, 1))
    check("sought", ([1] in [[1]], (1,) in [(1,)], [1] == [1.0], [1] != [2]), (True, True, True, True))
    check("index", d["a"]["b"], 1)
    check("pair", d[(1, 2)], "pair")
    check("get", d.get("z", "other"), "other")
    check("pop", d.pop((1, 2)), "pair")
    check("setdefault", d.setdefault("c", 3), 3)
    d.update([("big", ("x" * 2000000,))], e=4)
    check("update", sorted(d.keys()), ["a", "big", "c", "e"])
    check("in", ["a" in d, "z" not in d, 2 in [1, 2], "b" in "abc"], [True, True, True, True])
    check("comprehension", {k: k * 2 for k in (1, 2)}, {1: 2, 2: 4})
    s = set([1, 2])
    s.add(3)
    check("union", sorted(s.union(range(5), tuple(range(6)))), [0, 1, 2, 3, 4, 5])
    check("issubset", s.issubset([1, 2, 3]), True)
    check("getattr", getattr({"a": 1}, "get")("a"), 1)
    check("no attribute", getattr({}, "gets", "none"), "none")
    check("list pop", [1, 2].pop(0), 1)
    check("type", type("a".format), "builtin_function_or_method")
    check("dict", dict([("a", 1)], b=2), {"a": 1, "b": 2})
    return "same"
def wrong(request): return request.x % 2
channel_routing = [
    view("/", results),
    view("/type", lambda request: [1] % 2),
    view("/few", lambda request: "%s %s" % 1),
    view("/method", lambda request: [].get(1)),
    view("/missing", lambda request: {}["a"]),
    view("/direct", lambda request: set().difference()),
    view("/set/<name>", lambda request, name: getattr(set(), name)()),
]
`)
	s.want("/", 200, "same")
	for path, text := range map[string]string{
		"/type": "list % int", "/few": "not enough arguments for format string",
		"/method": "list has no .get", "/missing": "not in dict",
		"/direct": "difference: got 0 arguments, want 1", "/set/difference": "got 0 arguments, want 1", "/set/intersection": "got 0",
		"/set/issubset": "got 0", "/set/issuperset": "got 0", "/set/symmetric_difference": "got 0",
	} {
		if r := s.get(path); r.status != 500 || !strings.Contains(r.body, text) {
			t.Errorf("%s: %.600v, want %q", path, r, text)
		}
	}
}
