package apptest

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"asgibox/workerpool/script"
)

// Coverage says what of an application the tests reached.
type Coverage struct {
	App    string              `json:"app"`
	Files  []FileCoverage      `json:"files"`
	Routes []script.RouteCount `json:"routes"`
}

// FileCoverage is the coverage of one file. Lines are those that begin a statement.
type FileCoverage struct {
	File    string      `json:"file"`  // from the current folder
	Lines   map[int]int `json:"lines"` // how often each was reached
	Reached int         `json:"reached"`
	Missed  []int       `json:"missed"`
}

// coverages are those of all applications.
type coverages struct {
	apps []string
	all  map[string]*script.Coverage
}

// of returns the coverage of an application.
func (c *coverages) of(app string) *script.Coverage {
	if c.all == nil {
		c.all = map[string]*script.Coverage{}
	}
	if c.all[app] == nil {
		c.apps = append(c.apps, app)
		c.all[app] = script.NewCoverage()
	}
	return c.all[app]
}

func (c *coverages) results() (all []Coverage) {
	for _, app := range c.apps {
		r := Coverage{App: app, Files: []FileCoverage{}, Routes: append([]script.RouteCount{}, c.all[app].Routes()...)}
		files := c.all[app].Lines()
		for _, name := range slices.Sorted(maps.Keys(files)) {
			f := FileCoverage{File: filepath.Join(filepath.Dir(app), filepath.FromSlash(name)), Lines: files[name], Missed: []int{}}
			for _, line := range slices.Sorted(maps.Keys(f.Lines)) {
				if f.Lines[line] > 0 {
					f.Reached++
				} else {
					f.Missed = append(f.Missed, line)
				}
			}
			r.Files = append(r.Files, f)
		}
		all = append(all, r)
	}
	return all
}

// PrintCoverage prints the coverage as tables.
func PrintCoverage(w io.Writer, all []Coverage) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range all {
		fmt.Fprintln(table)
		for _, f := range c.Files {
			missed := "all lines reached"
			if len(f.Missed) > 0 {
				missed = "not reached: " + lineRanges(f)
			}
			fmt.Fprintf(table, "%s\t%d of %d lines\t%s\t%s\n", f.File, f.Reached, len(f.Lines), percent(f.Reached, len(f.Lines)), missed)
		}
		if len(c.Routes) > 0 {
			fmt.Fprintln(table)
		}
		for _, r := range c.Routes {
			count := "not reached"
			if r.Count > 0 {
				count = fmt.Sprint(r.Count)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.Channel, r.Pattern, r.Consumer, count)
		}
	}
	return table.Flush()
}

// percent returns a share, rounded down, so that only all lines are 100%.
func percent(part, whole int) string {
	if whole == 0 {
		return "100%"
	}
	return fmt.Sprintf("%d%%", 100*part/whole)
}

// lineRanges returns the missed lines like 3, 7-9. A range may contain lines that
// begin no statement.
func lineRanges(f FileCoverage) string {
	lines := slices.Sorted(maps.Keys(f.Lines))
	var parts []string
	for i := 0; i < len(lines); i++ {
		if f.Lines[lines[i]] > 0 {
			continue
		}
		first := lines[i]
		for i+1 < len(lines) && f.Lines[lines[i+1]] == 0 {
			i++
		}
		if first == lines[i] {
			parts = append(parts, fmt.Sprint(first))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", first, lines[i]))
		}
	}
	return strings.Join(parts, ", ")
}
