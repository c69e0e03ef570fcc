package main

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"asgibox/internal/cli"
	"asgibox/internal/command"
)

var update = flag.Bool("update", false, "rewrite the parts of docs that are generated from the code")

// pages returns the texts of the documentation by file name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, name := range append(names, "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "internal/e2e/testdata/promises.md") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(b)
	}
	return texts
}

// flagsOf returns the flags of a command and of the commands below it.
func flagsOf(cmd *cobra.Command) map[string]bool {
	names := map[string]bool{"help": true, "version": true}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names[f.Name] = true })
	for _, sub := range cmd.Commands() {
		for name := range flagsOf(sub) {
			names[name] = true
		}
	}
	return names
}

// foreign matches commands of other programs, which have other flags.
var foreign = regexp.MustCompile(`^\s*\$?\s*(curl|go|git|node|npm|python3?|chromium|nghttp|wrk|sudo|systemd|apt-get|openssl|docker|journalctl)\b`)

func TestFlagsInDocumentsExist(t *testing.T) {
	known := flagsOf(wholeRoot())
	mention := regexp.MustCompile("(?:^|[\\s`(|])--([a-z][a-z0-9_-]+)")
	for name, text := range pages(t) {
		for i, line := range strings.Split(text, "\n") {
			if foreign.MatchString(line) {
				continue
			}
			for _, m := range mention.FindAllStringSubmatch(line, -1) {
				if !known[strings.ReplaceAll(m[1], "_", "-")] {
					t.Errorf("%s:%d: there is no flag --%s", name, i+1, m[1])
				}
			}
		}
	}
}

func TestCommandsInDocumentsParse(t *testing.T) {
	console := regexp.MustCompile(`^\s*\$ (asgibox|go run \.) (.*)$`)
	inline := regexp.MustCompile("`asgibox ([a-z]+)[^`]*`")
	for name, text := range pages(t) {
		for i, line := range strings.Split(text, "\n") {
			for _, m := range inline.FindAllStringSubmatch(line, -1) {
				if _, _, err := wholeRoot().Find([]string{m[1]}); err != nil {
					t.Errorf("%s:%d: %v", name, i+1, err)
				}
			}
			m := console.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			before, _, _ := strings.Cut(m[2], " #")
			cmd, args, err := wholeRoot().Find(strings.Fields(before))
			if err == nil {
				err = cmd.ParseFlags(args)
			}
			if err != nil {
				t.Errorf("%s:%d: %s: %v", name, i+1, m[2], err)
			}
		}
	}
}

func TestLinksInDocumentsExist(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: the link to %s is broken", name, m[1])
			}
		}
	}
}

func TestPagesSayHowToInstallBeforeTheyRun(t *testing.T) {
	run := regexp.MustCompile(`(?m)^\s*(\$ )?asgibox run`)
	for name, text := range pages(t) {
		if name == "docs/commands.md" {
			continue // the reference
		}
		first := run.FindStringIndex(text)
		if install := strings.Index(text, "go install ."); first != nil && (install < 0 || install > first[0]) {
			t.Errorf("%s runs asgibox, but does not say first that go install . installs it", name)
		}
	}
}

func TestEveryFlagIsInConfigurationPage(t *testing.T) {
	checkPage(t, "docs/configuration.md", flagTables())
}

func TestEveryCommandIsInCommandsPage(t *testing.T) {
	checkPage(t, "docs/commands.md", commandsPage(cli.NewRoot()))
}

// checkPage checks that a page ends, after its mark, with the text that is
// generated from the code. With -update it rewrites the page.
func checkPage(t *testing.T, page, generated string) {
	t.Helper()
	const mark = "<!-- made from the code -->\n"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	intro, _, ok := strings.Cut(string(b), mark)
	if !ok {
		t.Fatalf("%s lacks its mark", page)
	}
	want := intro + mark + generated
	if string(b) == want {
		return
	}
	if !*update {
		t.Fatalf("%s is out of date; run go test . -run %s -update", page, t.Name())
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// commandsPage describes the flags that commands for a running server share,
// and all commands.
func commandsPage(root *cobra.Command) string {
	shared := map[string]string{}
	ps, _, _ := root.Find([]string{"ps"}) // has no others
	ps.Flags().VisitAll(func(f *pflag.Flag) { shared[f.Name] = f.Usage })
	return "\n## Flags of commands for a running server\n\n" + flagTable(ps, nil) + commandSections(root, shared)
}

// flagTable describes the flags of a command except those that are shared.
func flagTable(cmd *cobra.Command, shared map[string]string) string {
	var b strings.Builder
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "version" && shared[f.Name] != f.Usage {
			b.WriteString(flagRow(f, false))
		}
	})
	if b.Len() == 0 {
		return ""
	}
	return "| flag | value | default | meaning |\n|---|---|---|---|\n" + b.String()
}

// examplesOf returns the examples of a command as commands in a console.
func examplesOf(cmd *cobra.Command) string {
	if cmd.Example == "" {
		return ""
	}
	return "\n```console\n" + regexp.MustCompile(`(?m)^ +`).ReplaceAllString(cmd.Example, "$$ ") + "\n```\n"
}

// commandSections describes the commands below one.
func commandSections(parent *cobra.Command, shared map[string]string) string {
	var b strings.Builder
	for _, cmd := range parent.Commands() {
		if !cmd.IsAvailableCommand() || cmd.Name() == "completion" {
			continue
		}
		long := cmd.Long
		if long == "" {
			long = cmd.Short + "."
		}
		fmt.Fprintf(&b, "\n## %s\n\n    %s\n\n%s\n", strings.TrimPrefix(cmd.CommandPath(), "asgibox "), cmd.UseLine(), long)
		b.WriteString(examplesOf(cmd))
		switch table := flagTable(cmd, shared); {
		case cmd.Name() == "run":
			b.WriteString("\n[configuration.md](configuration.md) lists the flags.\n")
		case table != "":
			b.WriteString("\n" + table)
		}
		b.WriteString(commandSections(cmd, shared))
	}
	return b.String()
}

// flagTables describes the flags of run.
func flagTables() string {
	var b strings.Builder
	for _, g := range cli.RunFlags() {
		fmt.Fprintf(&b, "\n## %s\n\n| flag | value | environment | default | meaning |\n|---|---|---|---|---|\n", g.Title)
		g.VisitAll(func(f *pflag.Flag) { b.WriteString(flagRow(f, true)) })
	}
	return b.String()
}

// flagRow describes a flag as a row of a table, with its environment variable or
// without it.
func flagRow(f *pflag.Flag, environment bool) string {
	spelling := "--" + f.Name
	if f.Shorthand != "" {
		spelling += ", -" + f.Shorthand
	}
	usage, def, kind := f.Usage, f.DefValue, f.Value.Type()
	if i := strings.Index(usage, " (default "); i >= 0 {
		usage, def = usage[:i], strings.TrimSuffix(usage[i+len(" (default "):], ")")
	}
	if kind == "bool" || kind == "count" {
		def, kind = "", ""
	}
	if def == "0s" || f.Name == "fd" {
		def = ""
	}
	cells := []string{"`" + spelling + "`", strings.ReplaceAll(kind, "|", " or ")}
	if environment {
		cells = append(cells, "`"+command.Variable(f.Name)+"`")
	}
	cells = append(cells, def, strings.ReplaceAll(usage, "|", "\\|"))
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func TestEveryTestInDocumentsExists(t *testing.T) {
	tests := testsByPackage(t)
	named := regexp.MustCompile("`(?:([a-z]+)\\.)?((?:Test|Fuzz|Benchmark|Example)\\w*)`")
	for name, text := range pages(t) {
		for i, line := range strings.Split(text, "\n") {
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				if !tests[m[1]][m[2]] {
					t.Errorf("%s:%d: there is no %s", name, i+1, m[0])
				}
			}
		}
	}
}

// testsByPackage returns the names of all tests by package name. The tests of
// all packages together are under the empty name.
func testsByPackage(t *testing.T) map[string]map[string]bool {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	tests := map[string]map[string]bool{"": {}}
	everyFile(t, func(name string, text []byte) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		pkg := path.Base(path.Dir(name))
		if pkg == "." {
			pkg = "main"
		}
		if tests[pkg] == nil {
			tests[pkg] = map[string]bool{}
		}
		for _, m := range function.FindAllSubmatch(text, -1) {
			tests[pkg][string(m[1])] = true
			tests[""][string(m[1])] = true
		}
	})
	return tests
}

func TestReadmeHasTwoCommands(t *testing.T) {
	text := pages(t)["README.md"]
	for _, command := range []string{"$ go run . run examples/hello.star\n", "$ go test ./...\n"} {
		if strings.Count(text, command) != 1 {
			t.Errorf("the README must contain %q once", command)
		}
	}
	if n := slices.Index(strings.Split(text, "\n"), "```console"); n < 0 || strings.Count(text, "```console") != 1 {
		t.Error("the README must have one block of commands")
	}
}

func TestEveryDependencyIsDocumented(t *testing.T) {
	text := pages(t)["docs/dependencies.md"]
	used := map[string]bool{}
	everyImport(t, func(_, _, imported string) { used[imported] = true })
	b, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:require )?(\S+\.\S+/?\S*) v\S+`).FindAllStringSubmatch(string(b), -1) {
		direct := false
		for imported := range used {
			direct = direct || within(imported, m[1])
		}
		if direct && !strings.Contains(text, "| "+m[1]+" |") {
			t.Errorf("docs/dependencies.md does not say what %s is for", m[1])
		}
	}
}

func TestProgramsInDocumentsLoad(t *testing.T) {
	block := regexp.MustCompile("(?s)```python\n(.*?)```")
	app := filepath.Join(t.TempDir(), "app.star")
	for _, name := range []string{"README.md", "docs/getting-started.md"} {
		for _, m := range block.FindAllStringSubmatch(pages(t)[name], -1) {
			if !strings.Contains(m[1], "channel_routing") && !strings.Contains(m[1], "while True") {
				continue // not a complete application
			}
			if err := os.WriteFile(app, []byte(m[1]), 0o644); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if status := cli.Run(t.Context(), []string{"check", app}, strings.NewReader(""), &out, &out); status != 0 {
				t.Errorf("%s: %s\n%s", name, out.String(), m[1])
			}
		}
	}
}

func TestTestsInDocumentsPass(t *testing.T) {
	block := regexp.MustCompile("(?s)```python\n# (\\S+\\.star)\n(.*?)```")
	dir := t.TempDir()
	for _, m := range block.FindAllStringSubmatch(pages(t)["docs/testing.md"], -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte(m[2]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if status := cli.Run(t.Context(), []string{"test", dir}, strings.NewReader(""), &out, &out); status != 0 || !strings.Contains(out.String(), "4 passed") {
		t.Errorf("status %d\n%s", status, out.String())
	}
}

// wholeRoot returns the root command with the command that cobra adds at run time.
func wholeRoot() *cobra.Command {
	root := cli.NewRoot()
	root.InitDefaultCompletionCmd()
	return root
}
