package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"asgibox/examples"
	"asgibox/internal/console"
	"asgibox/internal/devserver"
	"asgibox/internal/project"
	"asgibox/internal/spell"
)

// newNew returns the command that makes a project from a template.
func newNew() *cobra.Command {
	return &cobra.Command{
		Use:   "new [TEMPLATE [DIR]]",
		Short: "Start an application from a template",
		Long: strings.TrimSpace(`
Make an application from a template in the folder DIR, which new creates if
necessary. The default is a folder with the template's name. No file is ever
overwritten. Without arguments, list the templates.

A project has the application, its pages, tests, a README, and what makes
editors that check Python complete and check the API. The template go has a
program in Go instead, with the package that connects it to the server. It is a
package of the module that DIR is in, or else a new module.`),
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: completeTemplates,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if len(args) == 0 {
				return listTemplates(out)
			}
			template, err := templateNamed(args[0])
			if err != nil {
				return err
			}
			dir := template.Name
			if len(args) == 2 {
				dir = args[1]
			}
			if dir == "" {
				return errors.New("new: the name of the folder is empty; to use the current folder, write a dot")
			}
			dir = filepath.Clean(dir)
			if template == examples.Go {
				err = createGo(dir)
			} else {
				err = create(template, dir)
			}
			if err != nil {
				return fmt.Errorf("new %s: %w", template.Name, err)
			}
			printNext(out, template, dir)
			return nil
		},
	}
}

// create makes a project from a template in a folder.
func create(t examples.Template, dir string) error {
	files, err := t.Files()
	if err != nil {
		return err
	}
	return project.Create(dir, files)
}

// createGo makes a worker in Go, in the module that the folder is in or in a new
// one.
func createGo(dir string) error {
	pkg, err := project.GoPackage(dir)
	if err != nil {
		return err
	}
	files, err := examples.GoFiles(cmp.Or(pkg, "app"), pkg == "")
	if err != nil {
		return err
	}
	return project.Create(dir, files)
}

// allTemplates returns the templates of new.
func allTemplates() []examples.Template { return append(slices.Clone(examples.Templates), examples.Go) }

// welcome offers the templates while there is no application.
func welcome() *devserver.Welcome {
	w := &devserver.Welcome{Create: func(name, dir string) error {
		t, err := templateNamed(name)
		if err != nil {
			return err
		}
		return create(t, dir)
	}}
	for _, t := range examples.Templates {
		w.Templates = append(w.Templates, devserver.Template(t))
	}
	return w
}

func listTemplates(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, t := range allTemplates() {
		fmt.Fprintf(table, "%s\t%s\n", t.Name, t.Summary)
	}
	return table.Flush()
}

// templateNamed returns the template of that name. Its error suggests a similar
// name.
func templateNamed(name string) (examples.Template, error) {
	var names []string
	for _, t := range allTemplates() {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	hint := "the templates are " + strings.Join(names, ", ")
	if near := spell.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return examples.Template{}, fmt.Errorf("there is no template %q; %s", name, hint)
}

// printNext prints what to do with a new project.
func printNext(w io.Writer, t examples.Template, dir string) {
	place := "the current folder"
	if dir != "." {
		place = console.Printable(dir)
	}
	fmt.Fprintf(w, "made an application in %s: %s. Next:\n\n", place, t.Summary)
	if dir != "." {
		fmt.Fprintf(w, "  cd %s\n", shellWord(dir))
	}
	if t == examples.Go {
		fmt.Fprintf(w, "  asgibox run .\n")
		return
	}
	fmt.Fprintf(w, "  asgibox run\n  asgibox test\n")
}

// plainWord matches text that shells leave unchanged.
var plainWord = regexp.MustCompile(`^[\w./\\:@%+=,][\w./\\:@%+=,-]*$`)

// shellWord returns a path as one word of a shell command.
func shellWord(dir string) string {
	if plainWord.MatchString(dir) {
		return dir
	}
	if strings.HasPrefix(dir, "-") {
		dir = "./" + dir
	}
	return "'" + strings.ReplaceAll(console.Printable(dir), "'", `'\''`) + "'"
}

// completeTemplates proposes templates, and then folders.
func completeTemplates(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	var names []string
	for _, t := range allTemplates() {
		names = append(names, cobra.CompletionWithDesc(t.Name, t.Summary))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
