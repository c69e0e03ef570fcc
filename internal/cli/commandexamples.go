package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// commandExamples are one or two examples of each command, for its help, its man page
// and docs/commands.md.
var commandExamples = map[string]string{
	"bench": `
asgibox bench http://127.0.0.1:8000/ --duration 10s
asgibox bench ws://127.0.0.1:8000/chat --connections 100 --message hello`,
	"channels": `
asgibox channels
asgibox channels "websocket.*"`,
	"check": `
asgibox check
asgibox check shop/app.star --strict`,
	"console": `
asgibox console                # on the running server
asgibox console app.star       # on an application in memory`,
	"demo": `
asgibox demo
asgibox demo --port 9000`,
	"flush": `
asgibox flush`,
	"group": `
asgibox group list
asgibox group send room-1 '{"text": "The server stops in a minute."}'`,
	"group add": `
asgibox group add jobs-done jobs.done`,
	"group discard": `
asgibox group discard jobs-done jobs.done`,
	"group list": `
asgibox group list
asgibox group list room-1`,
	"group send": `
asgibox group send room-1 '{"text": "hello"}'`,
	"kill": `
asgibox kill c41
asgibox kill c41 --code 4001 --reason "too old"`,
	"man": `
asgibox man /usr/local/share/man/man1`,
	"new": `
asgibox new
asgibox new chat my-chat`,
	"pause": `
asgibox pause websocket.receive`,
	"play": `
asgibox play traffic.jsonl
asgibox play traffic.jsonl --full-speed`,
	"ps": `
asgibox ps
asgibox ps --json`,
	"receive": `
asgibox receive jobs
asgibox receive jobs mail --json`,
	"record": `
asgibox record traffic.jsonl "path:/shop/*"
asgibox record --as-test shop_test.star`,
	"replay": `
asgibox replay 00c0ffee00c0ffee`,
	"resume": `
asgibox resume websocket.receive`,
	"routes": `
asgibox routes
asgibox routes app.star /rooms/blue`,
	"run": `
asgibox run
asgibox run shop/app.star --port 8080 --set color=blue
asgibox run --production --bind 0.0.0.0`,
	"send": `
asgibox send jobs '{"n": 1}'
asgibox send jobs - < job.json`,
	"stats": `
asgibox stats`,
	"step": `
asgibox step websocket.receive`,
	"tail": `
asgibox tail
asgibox tail "path:/chat/*" "kind:refused,expired"`,
	"test": `
asgibox test
asgibox test app_test.star --cover`,
	"version": `
asgibox version`,
	"worker": `
asgibox worker
asgibox worker jobs.star --control 127.0.0.1:8001 --only-channels jobs`,
}

// addExamples adds the examples to a command and those below it.
func addExamples(cmd *cobra.Command) {
	if text, ok := commandExamples[strings.TrimPrefix(cmd.CommandPath(), "asgibox ")]; ok {
		cmd.Example = strings.ReplaceAll(text, "\n", "\n  ")[1:]
	}
	for _, inner := range cmd.Commands() {
		addExamples(inner)
	}
}
