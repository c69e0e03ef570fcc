package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"asgibox/internal/cli"
)

func TestCompletionScriptsCompleteCommands(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if status, out := runCommand(t, "completion", shell); status != 0 || !strings.Contains(out, "asgibox") {
			t.Errorf("%s: status %d: %s", shell, status, out)
		}
	}
	// The scripts run this command for Tab.
	_, out := runCommand(t, "__complete", "")
	for _, cmd := range cli.NewRoot().Commands() {
		if !cmd.Hidden && !strings.Contains(out, cmd.Name()+"\t") {
			t.Errorf("%s is not completed: %s", cmd.Name(), out)
		}
	}
	if _, out := runCommand(t, "__complete", "run", "--work"); !strings.Contains(out, "--workers") {
		t.Errorf("flags are not completed: %s", out)
	}
}

// bashTab does the same as Tab in Bash. It defines the one function of the package
// bash-completion that the script calls.
const bashTab = `
_get_comp_words_by_ref() { cur="${COMP_WORDS[COMP_CWORD]}"; prev="${COMP_WORDS[COMP_CWORD-1]}"; words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
compopt() { :; }
asgibox() { "$PROGRAM" "$@"; }
source <("$PROGRAM" completion bash)
COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}
read -ra COMP_WORDS <<<"$1"
[[ "$1" == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]}-1))
__start_asgibox
echo "${COMPREPLY[*]}"
`

func TestBashCompletesNamesFromTheServer(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash on this machine")
	}
	p := start(t, chatApp, "--store", "memory")
	control := p.controlURL()
	s := p.dial("/chat")
	s.exchange("hello")
	p.mustCommand("send", "jobs", "{}")
	for line, want := range map[string]string{
		"asgibox st":                 "stats step",
		"asgibox group ":             "add discard list send",
		"asgibox run --work":         "--workers",
		"asgibox pause jo":           "jobs",
		"asgibox group add ro":       "room",
		"asgibox group add room jo":  "jobs",
		"asgibox kill asgibox.respo": "asgibox.respo",
	} {
		cmd := exec.Command(bash, "-c", bashTab, "bash", line)
		cmd.Env = append(os.Environ(), "PROGRAM="+binary(t), "ASGIBOX_CONTROL="+control)
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, %v", line, got, err)
		}
	}
}
