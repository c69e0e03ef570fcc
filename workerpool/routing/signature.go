package routing

import (
	"fmt"
	"slices"
	"strings"

	"asgibox/workerpool/script/explain"
)

// A Signature lists the parameters of a consumer.
type Signature struct {
	Name       string      // of the function; lambda if it has none
	Params     []Parameter // without those for further arguments
	Positional int         // how many of Params take positional arguments
	VarArgs    bool        // it takes further positional arguments
	KwArgs     bool        // it takes further keyword arguments
}

// A Parameter is one parameter of a function.
type Parameter struct {
	Name     string
	Optional bool // it has a default
}

func (s *Signature) has(name string) bool {
	return slices.ContainsFunc(s.Params, func(p Parameter) bool { return p.Name == name })
}

// CheckConsumer checks that a route's consumer accepts its arguments: the message
// and each name that a pattern captures.
func CheckConsumer(o *Route, includes []*Include, s Signature) error {
	captured := o.captures(includes)
	wrong := func(hint, format string, args ...any) error {
		return explain.Hintf(hint, "%s: the consumer %s %s", o.Kind, s.Name, fmt.Sprintf(format, args...))
	}
	what := "message"
	if o.View != nil {
		what = "request"
	}
	arguments := strings.Join(append([]string{what}, captured...), ", ")
	definition := fmt.Sprintf("def %s(%s):", s.Name, arguments)
	if s.Name == "lambda" {
		definition = fmt.Sprintf("lambda %s: …", arguments)
	}
	if s.Positional < 1 && !s.VarArgs {
		return wrong(definition, "takes no arguments; it is called with the %s", what)
	}
	for _, name := range captured {
		if !s.KwArgs && !s.has(name) {
			return wrong(definition, "has no parameter %q, which the pattern captures", name)
		}
		if len(s.Params) > 0 && s.Params[0].Name == name && !s.VarArgs {
			return wrong(definition, "receives the %s as its first parameter %q, so the pattern cannot capture that name; rename one of them", what, name)
		}
	}
	for i := 1; i < len(s.Params); i++ {
		if p := s.Params[i]; !p.Optional && !slices.Contains(captured, p.Name) {
			return wrong(fmt.Sprintf("capture it, like path=r\"(?P<%s>\\w+)\", or give it a default", p.Name),
				"needs an argument %q, which no pattern captures", p.Name)
		}
	}
	return nil
}

// captures lists the names that the patterns of a route and its includes capture.
func (o *Route) captures(includes []*Include) []string {
	var patterns []Pattern
	for _, in := range includes {
		patterns = append(patterns, in.Patterns...)
	}
	var names []string
	for _, p := range append(patterns, o.Patterns...) {
		for _, name := range p.re.SubexpNames() {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if o.View != nil {
		names = append(names, o.View.params()...)
	}
	return names
}
