package cli

import "testing"

func TestBindTakesAHost(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1": "127.0.0.1", "::1": "::1", "[::1]": "::1", "[fe80::1%eth0]": "fe80::1%eth0", "localhost": "localhost",
		"": "", "[]": "", "127.0.0.1:80": "", "[::1]:80": "", ":80": "",
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
