package command

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// Variable returns the name of the environment variable for a flag.
func Variable(flag string) string {
	return "ASGIBOX_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// FromEnvironment sets the flags that were not given from the environment.
func FromEnvironment(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		text, ok := os.LookupEnv(Variable(f.Name))
		if f.Changed || !ok {
			return
		}
		values := []string{text}
		if list, ok := f.Value.(interface{ Split(string) []string }); ok {
			values = list.Split(text)
		}
		for _, v := range values {
			if err := f.Value.Set(strings.TrimSpace(v)); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", Variable(f.Name), err))
			}
		}
		f.Changed = true
	})
	return errors.Join(errs...)
}
