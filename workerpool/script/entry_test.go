package script

import (
	"strings"
	"testing"
)

func TestEntryIsOpen(t *testing.T) {
	for text, want := range map[string]bool{
		"x = 1":                      false,
		"f(1,":                       true,
		"f(1,\n2)":                   false,
		"x = [1, {":                  true,
		`x = "("`:                    false,
		`x = "unfinished (`:          false, // the parser reports it
		`x = '"' # (`:                false,
		`x = """a`:                   true,
		"x = \"\"\"a\n\"b\" (\"\"\"": false,
		"x = '''a\n'":                true,
		`x = 1 + \`:                  true,
		"x = 1 + \\\n2":              false,
		`x = "a\"("`:                 false,
		"x = \"a\\\nb":               false,
		`x = "a\`:                    true,
		"x = )":                      false,
	} {
		var e Entry
		for line := range strings.SplitSeq(text, "\n") {
			e.Add(line)
		}
		if e.Open() != want {
			t.Errorf("%q: open is %v", text, e.Open())
		}
		if e.Text() != text+"\n" {
			t.Errorf("%q became %q", text, e.Text())
		}
	}
}

func TestEntryIsABlock(t *testing.T) {
	for line, want := range map[string]bool{
		"def f(x):": true, "if x: y()": true, "for x in y:": true, "while True:": true, "if(x):": true,
		"define = 1": false, "x = 1 if y else 2": false, "format(x)": false, " if x:": false, "": false,
	} {
		var e Entry
		e.Add(line)
		if e.Block() != want {
			t.Errorf("%q: block is %v", line, e.Block())
		}
	}
	var e Entry
	for line, want := range map[string]bool{
		"": true, "    x": true, "\tx": true, "# comment": true, "else:": true, "elif x:": true, "x = 1": false, "def g():": false,
	} {
		if e.Continues(line) != want {
			t.Errorf("%q: continues is %v", line, !want)
		}
	}
}
