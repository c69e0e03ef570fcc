package apptest

import (
	"strings"
	"testing"
)

const echo = `
def echo(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return {"n": request.session["n"], "user": request.session.get("user"), "text": "one\nat %s\nlast" % request.GET.get("at", "10")}

channel_routing = [view("/", echo)]
`

func TestAnyStandsForValuesAndPartsOfText(t *testing.T) {
	passes(t, echo, `
def test_any(client):
    got = client.get("/").json()
    assert_equal(got, {"n": ANY, "user": ANY, "text": "one\nat " + ANY + "\nl" + ANY})
    assert_equal(got, ANY)
    assert_equal([got, (1, "x")], [ANY, (ANY, "x")])
    assert_equal("a-b-c", "a" + ANY + "b" + ANY + "c")
    assert_equal("ab", ANY + ANY + "b")
    for want in ["a" + ANY + "a", "b" + ANY, ANY + "b", ANY + "x" + ANY]:
        assert_fails(assert_equal, "a", want)
    assert_fails(assert_equal, 5, ANY + "5")
    assert_fails(assert_equal, [1], [ANY, ANY])
    assert_fails(assert_equal, {"a": 1}, {"a": ANY, "b": ANY})
    assert_fails(lambda: ANY + 1)
`, Options{})
	fails(t, echo, `
def test_any(client):
    assert_equal(client.get("/?at=x").json(), {"n": 2, "user": ANY, "text": "one\nat " + ANY + "\nend"})
`, Options{}, `at ["n"]: got 1, want 2`, `at ["text"] line 3: got "last", want "end"`, `"text": "one\nat " + ANY + "\nend"}`)
}

func TestBrowsersAndSessions(t *testing.T) {
	passes(t, echo, `
def test_browsers(client):
    client.set_session({"user": "ann", "n": 4})
    assert_equal(client.get("/").json()["n"], 5)
    other = client.browser()
    assert_equal([other.get("/").json()["n"], other.get("/").json()["n"]], [1, 2])
    got = client.get("/").json()
    assert_equal((got["n"], got["user"]), (6, "ann"))
    assert_in("dict", assert_fails(client.set_session, "ann"))
    assert_fails(client.set_session, {"fn": len})
`, Options{})
}

func TestValuesThatContainThemselvesAreNotEqual(t *testing.T) {
	for _, step := range []string{"V.append(V)", "V.extend([V, V])", "V.append({1: V})", "V.append((V, V))"} {
		test := "def test_it(client):\n"
		for _, name := range []string{"x", "y"} {
			test += "    " + name + " = []\n    " + strings.ReplaceAll(step, "V", name) + "\n"
		}
		fails(t, `channel_routing = []`, test+"    assert_equal(x, y)\n", Options{}, "nests deeper than 1000, or contains itself")
	}
}
