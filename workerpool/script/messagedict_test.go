package script_test

import (
	"strings"
	"testing"
)

// Each check must be true for a received message.
const messageChecks = `
def check(name, ok):
    if not ok:
        fail(name)
def job(m):
    want = {"b": 1, "a": [2, {"z": 1, "y": 2}], "10": None, "2": 12345678901234567}
    check("==", m == want)
    check("== from the right", want == m)
    check("!=", not (m != want) and m != {"b": 1} and {} != m)
    check("two messages", m == m and [m] == [m])
    check("in a list", m in [want])
    check("not a dict", m != 1 and m != None)
    check("|", (m | {"b": 3})["b"] == 3 and ({"b": 3} | m)["b"] == 1 and m["b"] == 1)
    check("type of |", type(m | m) == "dict")
    check("order of |", list((m | {"c": 1}).keys()) == ["b", "a", "10", "2", "c"])
    check("keys", list(m) == ["b", "a", "10", "2"] and m.keys() == list(m))
    check("items", m.items() == want.items() and m.values() == want.values())
    check("len", len(m) == 4 and bool(m))
    check("in", "a" in m and "z" not in m)
    check("for", [k for k in m] == m.keys())
    check("dict", dict(m) == want and dict(m, c=1)["c"] == 1)
    check("**", (lambda **kw: kw)(**m) == want)
    check("%", "%(b)d" % m == "1")
    check("str", str(m) == str(want) and "%s" % m == "%s" % want and "{}".format(m) == str(want) and repr([m]) == repr([want]))
    check("json.encode", json.encode(m) == '{"b":1,"a":[2,{"z":1,"y":2}],"10":null,"2":12345678901234567}')
    check("json.encode inside", json.encode([m]) == json.encode([want]))
    check("sorted", sorted(m) == ["10", "2", "a", "b"])
    check("state", state.set("m", m) == m and state.get("m") == want and state.set("n", [m]) == [m] and state.get("n") == [want])
    check("get", m.get("z", 4) == 4 and m.setdefault("z", 5) == 5 and m.pop("z") == 5)
    m.update(c=6)
    check("update", m["c"] == 6 and m.pop("c") == 6)
    d = {}
    d.update(m)
    check("update of a dict", d == want)
    Channel("nested").send({"first": 1, "inner": m, "list": [m], "content": m.content})
    Channel("same").send(m)
`

func TestAReceivedMessageBehavesLikeADict(t *testing.T) {
	s := serve(t, messageChecks+`
def nested(m):
    want = {"b": 1, "a": [2, {"z": 1, "y": 2}], "10": None, "2": 12345678901234567}
    check("nested", m == {"first": 1, "inner": want, "list": [want], "content": want})
    check("order", str(m["inner"]) == str(want) and str(m["list"]) == str([want]))
    print("checked nested")
def same(m):
    check("the same", m.get("a") == [2, {"z": 1, "y": 2}])
    print("checked same")
def failed(request):
    _, err = attempt(layer.send, "elsewhere", {"inner": request.message | {"x": print}})
    return str(err)
def start(request):
    layer.send("job", {"b": 1, "a": [2, {"z": 1, "y": 2}], "10": None, "2": 12345678901234567})
    return None
channel_routing = [
    view("/start", start), view("/failed", failed),
    route("job", job), route("nested", nested), route("same", same),
]
`)
	s.want("/start", 204, "")
	s.log.has("checked nested")
	s.log.has("checked same")
	s.want("/failed", 200, "inner.x: ")
}

func TestSessionsKeepTheOrderOfTheirKeys(t *testing.T) {
	s := serve(t, `
def index(request):
    if len(request.session) == 0:
        request.session.update([("z", 1), ("10", 2), ("a", 3), ("9", 4)])
    else:
        request.session["z"] += 1
        request.session.pop("a")
        request.session["new"] = 5
    return "set"
channel_routing = [view("/", index), view("/show", lambda request: request.session)]
`)
	cookie, _, _ := strings.Cut(s.want("/", 200, "set").header.Get("set-cookie"), ";")
	if r := s.get("/show", "cookie", cookie); r.body != `{"z":1,"10":2,"a":3,"9":4}` {
		t.Errorf("the session is %v", r)
	}
	s.get("/", "cookie", cookie)
	if r := s.get("/show", "cookie", cookie); r.body != `{"z":2,"10":2,"9":4,"new":5}` {
		t.Errorf("after a change the session is %v", r)
	}
}

func TestResponsesKeepTheOrderOfADict(t *testing.T) {
	s := serve(t, `
def data(request):
    return {"zebra": 1, "apple": {"2": 1, "10": 2, "1": 3}, "mango": [{"b": 1, "a": 2}]}
channel_routing = [
    view("/dict", data),
    view("/response", lambda request: JsonResponse(data(request))),
    view("/encoded", lambda request: json.encode(data(request))),
    view("/decoded", lambda request: json.decode('{"z":1,"a":{"10":1,"9":2}}')),
]
`)
	const want = `{"zebra":1,"apple":{"2":1,"10":2,"1":3},"mango":[{"b":1,"a":2}]}`
	s.want("/dict", 200, want)
	s.want("/response", 200, want)
	s.want("/encoded", 200, want)
	s.want("/decoded", 200, `{"z":1,"a":{"10":1,"9":2}}`)
}
