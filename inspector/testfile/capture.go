package testfile

import (
	"fmt"
	"regexp"
	"strings"

	"asgibox/asgi"
)

// uuids matches UUIDs in a text.
var uuids = regexp.MustCompile(`\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b`)

// uuidsIn returns the UUIDs in a message, without those in cookies.
func uuidsIn(m asgi.Message) (found []string) {
	for key, v := range m.All() {
		if key != asgi.KeyHeaders {
			found = append(found, uuids.FindAllString((&masker{}).flat(v), -1)...)
		}
	}
	return found
}

// findCaptured finds the UUIDs that the application made and a client sent back:
// the test takes them from the reply, because they differ in each run.
func (k *conversation) findCaptured() map[string]bool {
	sent := map[string]*input{} // the first input with a UUID
	for _, c := range k.connections {
		for _, in := range c.inputs {
			for _, id := range uuidsIn(in.Content) {
				if first := sent[id]; first == nil || in.at < first.at {
					sent[id] = in
				}
			}
		}
	}
	captured := map[string]bool{}
	for _, c := range k.connections {
		for _, r := range c.replies {
			v, _ := decodeJSON(r.Content.Text(asgi.KeyText) + r.Content.Octets(asgi.KeyContent))
			eachUUID(v, "", "", func(id, _, _ string) {
				if in := sent[id]; in != nil && r.at < in.at {
					captured[id] = true
				}
			})
		}
	}
	return captured
}

// eachUUID calls f for each UUID in a decoded value, with its place in the value
// and its key.
func eachUUID(v any, place, key string, f func(id, place, key string)) {
	switch v := v.(type) {
	case string:
		if uuid.MatchString(v) {
			f(v, place, key)
		}
	case asgi.List:
		for i, x := range v.All() {
			eachUUID(x, fmt.Sprintf("%s[%d]", place, i), key, f)
		}
	case asgi.Dict:
		for name, x := range v.All() {
			eachUUID(x, fmt.Sprintf("%s[%s]", place, quote(name)), name, f)
		}
	}
}

// captures reports whether the test needs a UUID of a reply later.
func (w *writer) captures(v any) (needed bool) {
	eachUUID(v, "", "", func(id, _, _ string) { needed = needed || w.masker.captures(id) })
	return needed
}

// capture writes lines that take the UUIDs that the test needs later from a reply,
// which the expression has.
func (w *writer) capture(v any, expression string) {
	eachUUID(v, "", "", func(id, place, key string) {
		if w.masker.captures(id) {
			name := strings.ToLower(identifier(key))
			if name == "" || name[0] < 'a' || name[0] > 'z' || keywords[name] {
				name = "value"
			}
			name = w.variable(name)
			w.line("%s = %s%s", name, expression, place)
			w.masker.variables[id] = name
		}
	})
}
