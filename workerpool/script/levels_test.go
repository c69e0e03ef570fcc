package script_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestAllUsesOfAValueAllowTheSameLevels has values of 1000 and 1001 levels, with and
// without a value in the innermost.
func TestAllUsesOfAValueAllowTheSameLevels(t *testing.T) {
	s := serve(t, `
def nested(levels, inner):
    value = [inner] if inner else []
    for i in range(levels - 1):
        value = {"a": value} if i % 2 else [value]
    return value
def nested_tuple(levels, inner):
    value = (inner,) if inner else ()
    for i in range(levels - 1):
        value = (value,)
    return value
def nested_text(levels, inner):
    return "[" * levels + str(inner or "") + "]" * levels
USES = {
    "encode": lambda *x: json.encode(nested(*x)),
    "indent": lambda *x: json.encode_indent(nested(*x), indent=""),
    "decode": lambda *x: json.encode(json.decode(nested_text(*x))),
    "str": lambda *x: str(nested(*x)),
    "format": lambda *x: "%s" % (nested(*x),),
    "key": lambda *x: str(len({nested_tuple(*x): 1})),
    "response": lambda *x: JsonResponse(nested(*x)),
    "result": nested,
    "decoded": lambda *x: json.decode(nested_text(*x)),
}
def use(request):
    return USES[request.GET["use"]](int(request.GET["levels"]), int(request.GET["inner"]))
channel_routing = [view("/", use)]
`)
	for _, use := range []string{"encode", "indent", "decode", "str", "format", "key", "response", "result", "decoded"} {
		for _, inner := range []int{0, 1} {
			if r := s.get(fmt.Sprintf("/?use=%s&levels=1000&inner=%d", use, inner)); r.status != 200 {
				t.Errorf("%s, 1000 levels around %d: %.300v", use, inner, r)
			}
			r := s.get(fmt.Sprintf("/?use=%s&levels=1001&inner=%d", use, inner))
			if r.status != 500 || !strings.Contains(r.body, "nests deeper than 1000") {
				t.Errorf("%s, 1001 levels around %d: %.300v", use, inner, r)
			}
		}
	}
	for _, inner := range []string{"", "1"} {
		global := "x = [%s]\nfor _ in range(%d):\n    x = [x]\nchannel_routing = []\n"
		if err := s.reload(fmt.Sprintf(global, inner, 999)); err != nil {
			t.Errorf("a global of 1000 levels around %q: %v", inner, err)
		}
		if err := s.reload(fmt.Sprintf(global, inner, 1000)); err == nil || !strings.Contains(err.Error(), "it nests deeper than 1000") {
			t.Errorf("a global of 1001 levels around %q: %v", inner, err)
		}
	}
}
