package client

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTailsNamesFitTheirColumn(t *testing.T) {
	for name, want := range map[string]string{
		"http.request":                            "http.request",
		"asgibox.response.ABCDEFGHIJ!abcdefghij":  "…!abcdefghij",
		"asgibox.response.ABCDEFGHIJ!":            "asgibox.response.ABCDEFGHIJ!",
		"http.request.body?x7Kd":                  "http.request.body?x7Kd",
		"a." + strings.Repeat("b", 90) + ".c":     "a.bbbbbbbbb…bbbbbbbbbbbbbb.c",
		"own!" + strings.Repeat("c", 40):          "…!ccccccccc…cccccccccccccccc",
		strings.Repeat("d", channelWidth):         strings.Repeat("d", channelWidth),
		"e" + strings.Repeat("d", channelWidth-2): "e" + strings.Repeat("d", channelWidth-2),
	} {
		if got := shortName(name); got != want || utf8.RuneCountInString(got) > channelWidth {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestTextOfClientsDoesNotControlTheTerminal(t *testing.T) {
	if got := oneLine("a\n\x1b[2J\u009b1m\u202eb"); got != "a  [2J 1m\ufffdb" {
		t.Errorf("%q", got)
	}
	var out strings.Builder
	c := &client{out: &out}
	if err := c.printLine([]byte("{\"path\":\"\u009b\u202eb\"}")); err != nil || out.String() != "{\"path\":\"\\u009b\\u202eb\"}\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
