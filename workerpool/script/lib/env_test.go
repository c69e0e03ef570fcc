package lib

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

func TestEnvFile(t *testing.T) {
	got, err := ParseEnv(".env", "# a comment\n\nA=1\r\nexport B = two words # not this\nC='single \\n $A # stays'\nD=\"double\\n\\t\\\"\\\\\\$ # stays\" # gone\n"+
		"E=\nF=a#b\nG=\"two\nlines\"\nH=\t#gone\nI.x-y=a=b\nA=again\nJ='it'")
	want := map[string]string{
		"A": "again", "B": "two words", "C": `single \n $A # stays`, "D": "double\n\t\"\\$ # stays", "E": "", "F": "a#b",
		"G": "two\nlines", "H": "", "I.x-y": "a=b", "J": "it",
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := ParseEnv(".env", ""); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestEnvFileMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nnonsense\n":    ".env:2: the line has no =",
		"\n1A=2":             `.env:2: "1A" is not a valid name`,
		"=2":                 `.env:1: "" is not a valid name`,
		"A=\"x\ny\"\nB='x\n": ".env:3: the value begins with ' but has no closing quote",
		"A='x' y":            ".env:1: there is text after the closing quote",
	} {
		_, err := ParseEnv(".env", text)
		var problem *EnvError
		if !errors.As(err, &problem) || err.Error() != want {
			t.Errorf("%q: got %v", text, err)
		}
		if file, line, _ := problem.Place(); file != ".env" || line != problem.Line {
			t.Errorf("%q: at %s:%d", text, file, line)
		}
	}
}

func FuzzParseEnv(f *testing.F) {
	f.Add("A=1\nexport B=\"x\\ny\" # z\nC='\n'")
	f.Add("A=\"\\")
	f.Add("A= #")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseEnv(".env", text)
		if err != nil {
			if problem := err.(*EnvError); problem.Line < 1 || problem.Line > 1+strings.Count(text, "\n") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		for name := range all {
			if !envName.MatchString(name) {
				t.Errorf("%q: name %q", text, name)
			}
		}
	})
}
