package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"asgibox/internal/spell"
)

// flagGroup is some flags of a command under a heading of its help.
type flagGroup struct {
	title string
	*pflag.FlagSet
}

func newGroup(title string) flagGroup {
	set := pflag.NewFlagSet(title, pflag.ContinueOnError)
	set.SortFlags = false
	return flagGroup{title, set}
}

// addFlags gives a command its flags: spelt with underscores too, as Daphne
// spells some, with an environment variable each, and grouped in the help.
func addFlags(cmd *cobra.Command, groups ...flagGroup) {
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.FlagSet)
	}
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		w := cmd.OutOrStdout()
		fmt.Fprintf(w, "Usage:\n  %s\n", cmd.UseLine())
		for _, g := range groups {
			fmt.Fprintf(w, "\n%s:\n%s", g.title, g.FlagUsages())
		}
		fmt.Fprintln(w, "\nDurations are written 90, 90s or 1m30s; -1 is for ever. Sizes are written 65536, 64k or 1MiB."+
			"\nEach flag has an environment variable: --http-timeout is ASGIBOX_HTTP_TIMEOUT. Lists are separated by commas there.")
		return nil
	})
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags()) }
}

// variable is the environment's name of a flag.
func variable(flag string) string {
	return "ASGIBOX_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that were not given from the environment.
func fromEnvironment(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		text, ok := os.LookupEnv(variable(f.Name))
		if f.Changed || !ok {
			return
		}
		values := []string{text}
		if list, ok := f.Value.(interface{ Split(string) []string }); ok {
			values = list.Split(text)
		}
		for _, v := range values {
			if err := f.Value.Set(strings.TrimSpace(v)); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", variable(f.Name), err))
			}
		}
		f.Changed = true
	})
	return errors.Join(errs...)
}

// explainFlag adds to an error of parsing what was probably meant.
func explainFlag(cmd *cobra.Command, err error) error {
	hint := fmt.Sprintf("; %s --help lists them", cmd.CommandPath())
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
