package cli

import "testing"

func TestBindTakesAHost(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1": "127.0.0.1", "::1": "::1", "[::1]": "::1", "[fe80::1%eth0]": "fe80::1%eth0", "localhost": "localhost",
		"": "", "[]": "", "127.0.0.1:80": "", "[::1]:80": "", ":80": "",
		"[::1": "", "::1]": "", "[[::1]]": "",
	} {
		if got, err := parseBind(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
}

func TestProtocolsAreTokens(t *testing.T) {
	for text, ok := range map[string]bool{"chat": true, "v1.chat+json": true, "": false, "a b": false, "a,b": false, "\"a\"": false, "é": false} {
		if _, err := parseProtocol(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPatternsThatMatchNothingAreErrors(t *testing.T) {
	for text, ok := range map[string]bool{
		"*.csv": true, "data/*": true, "": false, "[": false, "/etc/passwd": false, "../x": false, "./x": false, "data/": false, "a//b": false,
	} {
		if _, err := parseFilePattern(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, ok := range map[string]bool{"jobs.*": true, "": false, "[": false} {
		if _, err := parsePattern(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
