package apptest

import (
	"testing"

	"go.starlark.net/starlark"
)

func TestALetterBetweenTwoReadsIsWhole(t *testing.T) {
	passes(t, `
def page(request):
    return "a" + "é" * 100000

def broken(request):
    return HttpResponse(b"x\xc3")

channel_routing = [view("/", page), view("/broken", broken)]
`, `
def test_text(client):
    assert_true(client.stream("/").text == "a" + "é" * 100000)

def test_receive(client):
    s = client.stream("/")
    got = s.receive()
    assert_true(got + s.text == "a" + "é" * 100000)

def test_the_end_of_a_letter_never_comes(client):
    assert_equal(client.stream("/broken").text, "x\ufffd")
`, Options{})
}

// TestAnInboxMovesNoItems checks that taking n items is not quadratic.
func TestAnInboxMovesNoItems(t *testing.T) {
	i := newInbox[starlark.String]()
	for _, item := range []starlark.String{"a", "b", "c"} {
		i.put(item)
	}
	second := &i.items[1]
	if item, ok := i.take(); !ok || item != "a" || &i.items[0] != second {
		t.Errorf("took %q, %v; the other items are at another place: %v", item, ok, &i.items[0] != second)
	}
}
