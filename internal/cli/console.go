package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/internal/client"
	"asgibox/internal/command"
	"asgibox/internal/console"
	"asgibox/internal/devserver"
	"asgibox/internal/flagvalue"
	"asgibox/internal/prompt"
	"asgibox/workerpool/script"
	"asgibox/workerpool/script/explain"
)

// newConsole returns the command that evaluates what a user enters.
func newConsole() *cobra.Command {
	var server client.Server
	var settings []flagvalue.Setting
	cmd := &cobra.Command{
		Use:   "console [APP]",
		Short: "Open a Starlark prompt on a running server or an application",
		Long: strings.TrimSpace(`
console evaluates Starlark with the names that applications have, such as layer,
state, Group, Channel and http, and prints the results. It works on a running
server. With APP it starts a server for the application in that file, in memory
and on free ports; the application's names are there too, and nothing is saved.

In a terminal, Tab completes names, channels, groups and keys of the state.
Ctrl-C interrupts a call or drops a line, Ctrl-D leaves, and help lists the names.
Otherwise console reads statements from standard input and ends with exit status
1 at the first error.`),
		Example:           "  echo 'state.get(\"rooms\")' | asgibox console",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeApplications,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && given(cmd, "control", "store", "token"):
				return errors.New("give an application or a running server (--control, --store), not both")
			case len(args) == 0 && given(cmd, "set"):
				return errors.New("--set needs an application: asgibox console APP --set name=value")
			}
			s := newSession(cmd)
			if len(args) > 0 {
				app, err := starlark("console", args)
				if err != nil {
					return err
				}
				return s.onApplication(cmd.Context(), app, settingsMap(settings))
			}
			return s.onServer(cmd.Context(), &server)
		},
	}
	g, own := command.NewGroup("Server"), command.NewGroup("Application")
	server.AddFlags(g, "in this folder or above")
	own.Var(flagvalue.List[flagvalue.Setting]{To: &settings, Parse: flagvalue.ParseSetting, Kind: "name=value"}, "set", "setting for the application; may be repeated")
	command.AddFlags(cmd, g, own)
	return cmd
}

// given reports whether one of the flags is on the command line. Variables of the
// environment may be meant for other commands.
func given(cmd *cobra.Command, flags ...string) bool {
	return slices.ContainsFunc(flags, func(name string) bool {
		_, variable := os.LookupEnv(command.Variable(name))
		return cmd.Flags().Changed(name) && !variable
	})
}

// A session is one use of the console.
type session struct {
	terminal *prompt.Terminal // nil unless input and output are a terminal
	in       io.Reader
	out      io.Writer
	errOut   io.Writer
	color    bool
	prompt   *script.Prompt
}

// newSession returns a session with the input and output of a command.
func newSession(cmd *cobra.Command) *session {
	s := &session{in: cmd.InOrStdin(), out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr()}
	in, _ := s.in.(*os.File)
	if in == nil || !command.OnTerminal(in) || !command.OnTerminal(s.out) {
		return s
	}
	s.color = command.InColor(s.out)
	history, err := prompt.HistoryFile("asgibox", "console_history")
	if err != nil {
		fmt.Fprintf(s.errOut, "the history is not kept: %v\n", err)
	}
	s.terminal = prompt.New(in, command.File(s.out), prompt.Options{History: history, Complete: s.complete})
	s.out = s.terminal
	if command.OnTerminal(s.errOut) {
		s.errOut = s.terminal
	}
	return s
}

func (s *session) complete(ctx context.Context, line string) (int, []string) {
	return s.prompt.Complete(ctx, line)
}

func (s *session) log() *slog.Logger {
	return slog.New(console.New(s.errOut, console.Options{Color: s.color}))
}

// onServer runs the session on a running server.
func (s *session) onServer(ctx context.Context, server *client.Server) error {
	control, err := server.Find()
	if err != nil {
		return err
	}
	layer, err := remote.Dial(ctx, control.Base, remote.ClientOptions{Token: control.Token, Agent: "asgibox console", Log: s.log()})
	if err != nil {
		return err
	}
	defer layer.Close()
	s.prompt, err = script.NewPrompt(script.Options{Layer: layer, Log: s.log()}, s.promptOptions(control))
	if err != nil {
		return err
	}
	defer s.prompt.Close()
	return s.run(ctx, "the server at "+control.Base)
}

// onApplication runs the session on a server in memory with the application in a
// file.
func (s *session) onApplication(ctx context.Context, app string, settings map[string]string) error {
	o := devserver.DefaultOptions()
	o.Script.Settings = settings
	used := false
	err := devserver.ServeFor(ctx, app, o, s.errOut, func(ctx context.Context, r devserver.Running) error {
		used = true
		control, err := (&client.Server{Address: r.Inspector}).Find()
		if err != nil {
			return err
		}
		if s.prompt, err = r.Loader.Prompt(ctx, s.promptOptions(control)); err != nil {
			return err
		}
		defer s.prompt.Close()
		return s.run(ctx, fmt.Sprintf("%s, in memory, at %s (inspector %s)", app, r.URL, r.Inspector))
	})
	if err == nil || used || len(explain.Of(err).Frames) == 0 {
		return err
	}
	return (&lint{app: app}).printError(s.errOut, err)
}

func (s *session) promptOptions(control *api.Client) script.PromptOptions {
	o := script.PromptOptions{
		Out: s.out, Color: s.color, Terminal: s.terminal != nil,
		Channels: func(ctx context.Context) []string { return client.ChannelNames(ctx, control) },
		Groups:   func(ctx context.Context) []string { return client.GroupNames(ctx, control) },
	}
	if s.terminal != nil {
		o.Width = s.terminal.Width
	}
	return o
}

// run evaluates what is entered until the input ends.
func (s *session) run(ctx context.Context, place string) error {
	if s.terminal == nil {
		return s.runFile(ctx)
	}
	if err := s.terminal.Start(); err != nil {
		return err
	}
	defer s.terminal.Close()
	fmt.Fprintf(s.out, "%s\nhelp lists the names, Tab completes them, Ctrl-D leaves.\n", place)
	for n := 1; ; n++ {
		text, err := s.readEntry(ctx)
		switch {
		case errors.Is(err, prompt.ErrCleared):
			continue
		case errors.Is(err, io.EOF) || ctx.Err() != nil:
			fmt.Fprintln(s.out)
			return nil
		case err != nil:
			return err
		}
		s.terminal.Run(ctx, func(ctx context.Context) {
			err := s.prompt.Eval(ctx, fmt.Sprintf("<prompt %d>", n), 1, text)
			switch {
			case context.Cause(ctx) == prompt.ErrInterrupted:
				fmt.Fprintln(s.out, prompt.ErrInterrupted)
			case err != nil:
				printExplanation(s.out, explain.Of(err), s.color)
			}
		})
	}
}

// readEntry reads the lines of a statement: to an empty line if it has an indented
// body.
func (s *session) readEntry(ctx context.Context) (string, error) {
	var e script.Entry
	for mark := ">>> "; ; mark = "... " {
		line, err := s.terminal.ReadLine(ctx, mark)
		if err != nil {
			return "", err
		}
		e.Add(line)
		if !e.Open() && (!e.Block() || strings.TrimSpace(line) == "") {
			return e.Text(), nil
		}
	}
}

// runFile evaluates the statements of the input. A statement with an indented body
// ends at a line that does not belong to it.
func (s *session) runFile(ctx context.Context) error {
	lines, failed := readLines(ctx, s.in)
	e, first := &script.Entry{}, 1
	for n := 1; ; n++ {
		var line string
		var more bool
		select {
		case line, more = <-lines:
		case <-ctx.Done():
			return &command.ExitError{Status: command.Interrupted}
		}
		if e.Block() && !e.Open() && !(more && e.Continues(line)) || !more {
			if err := s.evalFile(ctx, first, e.Text()); err != nil {
				return err
			}
			e, first = &script.Entry{}, n
		}
		if !more {
			return failed()
		}
		e.Add(line)
		if !e.Open() && !e.Block() {
			if err := s.evalFile(ctx, first, e.Text()); err != nil {
				return err
			}
			e, first = &script.Entry{}, n+1
		}
	}
}

func (s *session) evalFile(ctx context.Context, line int, text string) error {
	err := s.prompt.Eval(ctx, "<stdin>", line, text)
	switch {
	case ctx.Err() != nil:
		return &command.ExitError{Status: command.Interrupted}
	case err != nil:
		printExplanation(s.errOut, explain.Of(err), false)
		return &command.ExitError{Status: 1}
	}
	return nil
}

// readLines returns the lines of a reader, until its end or the end of ctx, and a
// function that then returns the error. A read that blocks ends with the process.
func readLines(ctx context.Context, r io.Reader) (<-chan string, func() error) {
	lines := make(chan string)
	var failed error
	go func() {
		defer close(lines)
		for input := bufio.NewReader(r); failed == nil; {
			var line string
			if line, failed = input.ReadString('\n'); line != "" {
				select {
				case lines <- strings.TrimRight(line, "\r\n"):
				case <-ctx.Done():
					return
				}
			}
		}
		if failed == io.EOF {
			failed = nil
		}
	}()
	return lines, func() error { return failed }
}
