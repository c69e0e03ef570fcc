package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"asgibox/internal/flagvalue"
	"asgibox/internal/spell"
)

// FlagGroup is a set of flags with a heading in the help of a command.
type FlagGroup struct {
	Title string
	*pflag.FlagSet
}

// NewGroup returns an empty group.
func NewGroup(title string) FlagGroup {
	set := pflag.NewFlagSet(title, pflag.ContinueOnError)
	set.SortFlags = false
	return FlagGroup{title, set}
}

// AddFlags adds groups of flags to a command. Each flag can also be spelled
// with underscores, as Daphne does, and set by an environment variable.
func AddFlags(cmd *cobra.Command, groups ...FlagGroup) {
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.FlagSet)
	}
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		w := cmd.OutOrStdout()
		fmt.Fprintf(w, "Usage:\n  %s\n", cmd.UseLine())
		if cmd.HasExample() {
			fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
		}
		for _, g := range groups {
			fmt.Fprintf(w, "\n%s:\n%s", g.Title, g.FlagUsages())
		}
		fmt.Fprintln(w)
		if hasType(groups, "duration") {
			fmt.Fprintln(w, "Write durations as 90, 90s or 1m30s ("+flagvalue.DurationRange+"); -1 means forever.")
		}
		if hasType(groups, "size") {
			fmt.Fprintln(w, "Write sizes as 65536, 64k or 1MiB ("+flagvalue.SizeRange+").")
		}
		fmt.Fprintln(w, "Each flag has an environment variable: ASGIBOX_HTTP_TIMEOUT for --http-timeout. In a variable, separate the items of a list with commas.")
		return nil
	})
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return FromEnvironment(cmd.Flags()) }
}

// hasType reports whether a flag of the groups has values of a type.
func hasType(groups []FlagGroup, name string) (found bool) {
	for _, g := range groups {
		g.VisitAll(func(f *pflag.Flag) { found = found || f.Value.Type() == name })
	}
	return found
}

// ExplainFlag adds the nearest flag, or a pointer to the help, to an error of
// parsing flags.
func ExplainFlag(cmd *cobra.Command, err error) error {
	hint := fmt.Sprintf("; %s --help lists the flags", cmd.CommandPath())
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		name := strings.ReplaceAll(unknown.GetSpecifiedName(), "_", "-")
		if near := spell.Nearest(name, names); near != "" {
			hint = fmt.Sprintf("; did you mean --%s?", near)
		}
	} else if !errors.As(err, &unknown) {
		hint = ""
	}
	return fmt.Errorf("%w%s", err, hint)
}
