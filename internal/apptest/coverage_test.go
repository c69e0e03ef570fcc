package apptest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCoverage(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "lib", "sign.star"), `"""What a number is."""

def sign(n):
    """Returns a word."""
    if n > 0:
        return "positive"
    elif n < 0:
        return "negative"
    else:
        return "zero"

def unused():
    for i in range(3):
        while i:
            i -= 1
`)
	write(t, filepath.Join(dir, "app.star"), `load("lib/sign.star", "sign")

def index(request, n):
    return sign(int(n))

def other(message): pass

channel_routing = [
    view("/<n>", index),
    route("other", other),
]
`)
	file := filepath.Join(dir, "app_test.star")
	write(t, file, `
def test_positive(client):
    assert_equal(client.get("/1").text, "positive")

def test_zero(client):
    assert_equal(client.get("/0").text, "zero")
`)
	s := Run(t.Context(), []string{file}, Options{Cover: true}, func(r Result) {
		if r.Err != nil {
			t.Error(r.Explanation.Text(false))
		}
	})
	if len(s.Coverage) != 1 || len(s.Coverage[0].Files) != 2 {
		t.Fatalf("coverage: %+v", s.Coverage)
	}
	for i, want := range [][]int{{}, {8, 13, 14, 15}} {
		f := s.Coverage[0].Files[i]
		if !slices.Equal(f.Missed, want) {
			t.Errorf("%s: missed %v, want %v; lines %v", f.File, f.Missed, want, f.Lines)
		}
	}
	var out strings.Builder
	if err := PrintCoverage(&out, s.Coverage); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"5 of 5 lines   100%  all lines reached\n", "6 of 10 lines  60%   not reached: 8, 13-15\n", "index (app.star:3)  2\n", "other (app.star:6)  not reached\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, out.String())
		}
	}
}

func TestInstrumentedApplicationsBehaveTheSame(t *testing.T) {
	passes(t, site, `
def test_page(client):
    assert_equal(client.get("/").text, "<h1>hello</h1>")

def test_error(client):
    assert_in("app.star:19:14", client.get("/boom").text)
`, Options{Cover: true})
}
