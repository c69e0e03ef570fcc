package script_test

import (
	"strings"
	"testing"

	"asgibox/workerpool/script"
)

func TestAMisspeltGroupIsReportedAtLoad(t *testing.T) {
	const add = "def add(message): Group(\"everyone\").add(message.reply_channel)\n"
	for code, reported := range map[string]bool{
		add + `def send(message): Group("everone").send({"text": "x"})`:                     true,
		add + `def send(message): layer.send_group("everone", {"text": "x"})`:               true,
		add + `load("lib.star", "send")`:                                                    true,
		add + `def send(message): Group("everyone").send({"text": "x"})`:                    false,
		add + `def send(message): Group("news").send({"text": "x"})`:                        false, // perhaps another program adds to it
		add + `def send(message): Group("everone").discard(message.reply_channel)`:          false,
		add + `def send(message, other=Group("everone")): Group("everone").send({})`:        false, // other.add may be called
		add + `def send(message): Group("everone").send({}); Group(message["x"]).add("y")`:  false, // perhaps to everone
		add + `def send(message): Group("everone").send({}); layer.group_add("x" + "y", 1)`: false,
		`def add(message): layer.group_add("everone", message.reply_channel)` +
			"\n" + `def send(message): layer.send_group("everone", {})`: false,
		"def Group(x): return Channel(x)\n" + add + `def send(message): Group("everone").send({"text": "x"})`: false,
	} {
		code += "\nchannel_routing = [route(\"websocket.connect\", add), route(\"websocket.receive\", send)]\n"
		for _, strict := range []bool{false, true} {
			s := setup{
				script: script.Options{Strict: strict},
				files:  map[string]string{"lib.star": `def send(message): Group("everone").send({"text": "x"})`},
			}.serve(t, "channel_routing = []\n")
			err := s.reload(code)
			text := s.log.String()
			if err != nil {
				text += err.Error()
			}
			has := strings.Contains(strings.ReplaceAll(text, `\"`, `"`), `no code adds a channel to the group "everone" (did you mean "everyone"?)`)
			if has != reported || (err != nil) != (reported && strict) || reported && !strings.Contains(text, ".star:") {
				t.Errorf("strict: %t, reported: %t, %v:\n%s", strict, has, err, code)
			}
		}
	}
}
