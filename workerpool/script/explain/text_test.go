package explain

import (
	"strings"
	"testing"
)

func TestTerminalFormMarksTheColumnWithTwoLinesAround(t *testing.T) {
	e := explained(t, "a = 1\nb = 2\ndef main():\n\tif a:\n\t\treturn {}[\"x\"]\n\treturn 0\nc = 3\nd = 4\n")
	want := `key "x" not in dict
→ d.get("x") returns None if there is no such key

  app.star:5:12 in main
     3 | def main():
     4 | 	if a:
     5 | 		return {}["x"]
       | 		         ^
     6 | 	return 0
     7 | c = 3
`
	if got := e.Text(false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestColorOnlyAddsColor(t *testing.T) {
	e := explained(t, "x = 1\nimport json\ny = 2\n")
	colored := e.Text(true)
	if !strings.Contains(colored, "\x1b[31;1mStarlark has no import\x1b[0m") {
		t.Errorf("no color in %q", colored)
	}
	plain := colored
	for _, code := range []string{"31;1", "32", "2", "1", "0"} {
		plain = strings.ReplaceAll(plain, "\x1b["+code+"m", "")
	}
	if plain != e.Text(false) {
		t.Errorf("got %q", plain)
	}
}

func TestALongCallStackIsShortened(t *testing.T) {
	e := explained(t, "def f(n):\n  if n == 0: fail(\"end\")\n  f(n - 1)\ndef main():\n  f(50)\n")
	got := e.Text(false)
	if n := strings.Count(got, "app.star:"); n != MaxFrames {
		t.Errorf("%d frames are shown", n)
	}
	if !strings.Contains(got, "… 40 more calls …") || !strings.Contains(got, "app.star:5:4 in main") || !strings.Contains(got, "app.star:2:18 in f") {
		t.Errorf("got %s", got)
	}
}

func TestPlaceAfterTheEndOfALine(t *testing.T) {
	got := Explanation{Message: "m", Frames: []Frame{{File: "f", Line: 1, Col: 4, Lines: []Line{{1, "a"}}}}}.Text(false)
	if !strings.HasSuffix(got, "     1 | a\n       |    ^\n") {
		t.Errorf("got %q", got)
	}
}
