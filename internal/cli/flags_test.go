package cli

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"asgibox/internal/devserver"
)

func TestEveryNumberHasARange(t *testing.T) {
	checked := map[string]bool{}
	check := func(f *pflag.Flag) {
		if kind := f.Value.Type(); kind == "bool" || kind == "count" {
			return
		}
		for _, prefix := range []string{"", "name="} {
			isNumber := f.Value.Set(prefix+"1000") == nil && f.Value.Set(prefix+"x") != nil
			if !isNumber {
				continue
			}
			checked[f.Name] = true
			if err := f.Value.Set(prefix + "9999999999999"); err == nil || !strings.Contains(err.Error(), " to ") {
				t.Errorf("--%s of 9999999999999: %v", f.Name, err)
			}
		}
		if showsRange := strings.Contains(f.Value.Type(), ".."); showsRange && !checked[f.Name] {
			t.Errorf("--%s does not accept 1000", f.Name) // its maximum is missing
		}
	}
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(check)
		for _, inner := range cmd.Commands() {
			visit(inner)
		}
	}
	visit(NewRoot())
	for _, name := range []string{"workers", "port", "fd", "capacity", "channel-capacity", "memory", "grace", "code"} {
		if !checked[name] {
			t.Errorf("--%s was not checked", name)
		}
	}
}

func TestPatternsThatMatchNoChannelAreErrors(t *testing.T) {
	for _, args := range []string{
		"--channel-capacity [=3", "--channel-capacity =3", "--channel-capacity a,b=3",
		"--only-channels [", "--exclude-channels [", "--chaos [:drop=1%",
	} {
		cmd := newRun()
		if err := cmd.ParseFlags(strings.Fields(args)); err == nil {
			t.Errorf("%s is accepted", args)
		}
	}
}

func TestVerboseAndQuietSetTheLogLevel(t *testing.T) {
	for args, want := range map[string]slog.Level{"": slog.LevelInfo, "-v": slog.LevelDebug, "-q": slog.LevelWarn} {
		cmd := newRun()
		f := newFlags()
		if err := f.output().Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		o, err := f.finished(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Level(); got != want {
			t.Errorf("level with %q: %v, want %v", args, got, want)
		}
	}
}

func TestProductionTurnsOffTheWatcherAndTheControlServer(t *testing.T) {
	for args, want := range map[string]string{"--production": devserver.ControlOff, "--production --control 127.0.0.1:9001": "127.0.0.1:9001"} {
		cmd, f := newRun(), newFlags()
		for _, g := range f.all() {
			g.ParseErrorsAllowlist.UnknownFlags = true
			if err := g.Parse(strings.Fields(args)); err != nil {
				t.Fatal(err)
			}
		}
		o, err := f.finished(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if o.Control != want || !o.NoReload || !o.Front.NoDetails || !o.Pages.Production {
			t.Errorf("%s: control server %q, no reload %v, no details %v %v", args, o.Control, o.NoReload, o.Front.NoDetails, o.Pages.Production)
		}
	}
}

func TestProductionHasNoOverlay(t *testing.T) {
	for args, wrong := range map[string]bool{"--production": false, "--production --overlay=false": false, "--production --overlay": true} {
		cmd, f := newRun(), newFlags()
		if err := f.application().Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		cmd.SetErr(io.Discard)
		if o, err := f.finished(cmd); (err != nil) != wrong || err == nil && o.Pages.Overlay {
			t.Errorf("%s: %v, %v", args, o.Pages.Overlay, err)
		}
	}
}

func TestTheTourHasNoOverlay(t *testing.T) {
	if o, err := runOptions([]string{"--overlay"}); err != nil || o.Pages.Overlay {
		t.Errorf("%v, %v", o.Pages.Overlay, err)
	}
}
