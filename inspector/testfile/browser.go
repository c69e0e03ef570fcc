package testfile

import (
	"strings"

	"asgibox/asgi"
)

// A browser is a client with cookies of its own.
type browser struct {
	cookies map[string]string // as they were when the connection was opened, and those that replies set
	session string            // id of the session that the browser had before the recording
}

// findBrowsers finds which connections have the same cookies.
func (r *recording) findBrowsers() {
	sessions := map[string]bool{}
	for _, in := range r.inputs {
		for _, use := range in.uses {
			if id, ok := strings.CutPrefix(use.Key, asgi.SessionPrefix); ok {
				sessions[id] = true
			}
		}
	}
	byRoot := map[*connection][]*browser{}
	for _, c := range r.connections {
		root := c.root()
		sent := cookies(header(c.first, "cookie"))
		c.browser = bestBrowser(byRoot[root], sent)
		if c.browser == nil || knownSession(c.browser, sent, sessions) {
			c.browser = &browser{cookies: map[string]string{}}
			byRoot[root] = append(byRoot[root], c.browser)
			for name, value := range sent {
				if id, _, _ := strings.Cut(value, "."); sessions[id] {
					c.browser.cookies[name], c.browser.session = value, id
				}
			}
		}
		for _, reply := range c.replies {
			for _, set := range headers(reply.Content, "set-cookie") {
				pair, _, _ := strings.Cut(set, ";")
				name, value, _ := strings.Cut(pair, "=")
				if value == "" {
					delete(c.browser.cookies, name)
				} else {
					c.browser.cookies[name] = value
				}
			}
		}
	}
}

// bestBrowser returns the browser that has the most of the cookies and no others.
func bestBrowser(browsers []*browser, sent map[string]string) (best *browser) {
next:
	for _, b := range browsers {
		for name, value := range b.cookies {
			if sent[name] != value {
				continue next
			}
		}
		if best == nil || len(b.cookies) > len(best.cookies) {
			best = b
		}
	}
	return best
}

// knownSession reports whether the cookies have a session that the browser lacks.
func knownSession(b *browser, sent map[string]string, sessions map[string]bool) bool {
	for name, value := range sent {
		if id, _, _ := strings.Cut(value, "."); sessions[id] && b.cookies[name] != value {
			return true
		}
	}
	return false
}

// cookies parses a cookie header.
func cookies(header string) map[string]string {
	found := map[string]string{}
	for pair := range strings.SplitSeq(header, ";") {
		if name, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
			found[name] = value
		}
	}
	return found
}

// header returns the first header of a name, or "".
func header(m asgi.Message, name string) string {
	if found := headers(m, name); len(found) > 0 {
		return found[0]
	}
	return ""
}

// headers returns the values of all headers of a name.
func headers(m asgi.Message, name string) (values []string) {
	for key, value := range pairs(m) {
		if key == name {
			values = append(values, value)
		}
	}
	return values
}

// pairs returns the headers, with names in lower case.
func pairs(m asgi.Message) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		v, _ := m.Get(asgi.KeyHeaders)
		list, _ := v.(asgi.List)
		for _, item := range list.All() {
			if pair, ok := item.(asgi.List); ok && pair.Len() == 2 && !yield(strings.ToLower(pair.Octets(0)), pair.Octets(1)) {
				return
			}
		}
	}
}
