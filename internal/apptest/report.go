package apptest

import (
	"encoding/xml"
	"fmt"
	"io"
	"time"

	"asgibox/internal/command"
)

// WriteJSON writes the results of a run as a line of JSON.
func WriteJSON(w io.Writer, results []Result, s Summary) error {
	type test struct {
		File    string  `json:"file"`
		Test    string  `json:"test,omitempty"` // missing if the file did not load
		OK      bool    `json:"ok"`
		Seconds float64 `json:"seconds"`
		Line    int     `json:"line,omitempty"`
		Error   string  `json:"error,omitempty"`
		Output  string  `json:"output,omitempty"`
		Seed    int     `json:"seed,omitempty"`
		Steps   []Step  `json:"steps,omitempty"` // of the schedule with the seed
	}
	all := make([]test, 0, len(results))
	for _, r := range results {
		t := test{File: r.File, Test: r.Test, OK: r.Err == nil, Seconds: r.Took.Seconds()}
		if !t.OK {
			t.Error, t.Output, t.Seed, t.Steps = r.Explanation.Text(false), r.Output, r.Seed, r.Steps
			if f, ok := r.Explanation.Place(); ok {
				t.Line = f.Line
			}
		}
		all = append(all, t)
	}
	return command.WriteJSON(w, struct {
		OK       bool       `json:"ok"`
		Passed   int        `json:"passed"`
		Failed   int        `json:"failed"`
		Broken   int        `json:"broken"`
		Seconds  float64    `json:"seconds"`
		Tests    []test     `json:"tests"`
		Coverage []Coverage `json:"coverage,omitempty"`
	}{s.Failed+s.Broken == 0, s.Passed, s.Failed, s.Broken, s.Took.Seconds(), all, s.Coverage})
}

// Elements of a JUnit report.
type (
	junitSuites struct {
		XMLName  xml.Name      `xml:"testsuites"`
		Tests    int           `xml:"tests,attr"`
		Failures int           `xml:"failures,attr"`
		Errors   int           `xml:"errors,attr"`
		Time     string        `xml:"time,attr"`
		Suites   []*junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
		Error   *junitFailure `xml:"error"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the results of a run in the XML format of JUnit, which CI
// servers read.
func WriteJUnit(w io.Writer, results []Result, s Summary) error {
	report := junitSuites{Tests: len(results), Failures: s.Failed, Errors: s.Broken, Time: seconds(s.Took)}
	for _, r := range results {
		n := len(report.Suites)
		if n == 0 || report.Suites[n-1].Name != r.File {
			report.Suites = append(report.Suites, &junitSuite{Name: r.File})
			n++
		}
		suite := report.Suites[n-1]
		suite.Tests++
		c := junitCase{Class: r.File, Name: r.Test, Time: seconds(r.Took)}
		if r.Err != nil {
			failure := &junitFailure{r.Explanation.Line(), r.Explanation.Text(false)}
			if r.Seed > 0 {
				failure.Text += fmt.Sprintf("\nThe shortest schedule that fails (--seed %d repeats it):\n%s", r.Seed, stepsText(r.Steps))
			}
			c.Output = r.Output
			if r.Test == "" {
				c.Name, c.Error = "load", failure
				suite.Errors++
			} else {
				c.Failure = failure
				suite.Failures++
			}
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(report); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
