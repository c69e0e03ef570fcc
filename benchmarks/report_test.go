package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReportHasMediansAndRatiosOfRounds(t *testing.T) {
	g := &group{title: "Load of {connections}", unit: "operation", missing: []string{"x", "y"}}
	g.rows = []*row{
		{name: "baseline", group: g, results: []result{{rate: 100}, {rate: 200}, {rate: 50}}},
		{name: "other", group: g, results: []result{{rate: 50, cpu: 7}, {rate: 300, cpu: 8}, {rate: 40, cpu: 9}}},
	}
	var out strings.Builder
	g.report(&out, options{})
	const want = `
Load of 16

| server   | operations/s | CPU µs/operation | rate ÷ baseline | CPU ÷ baseline |
| -------- |-------------:|-----------------:|----------------:|---------------:|
| baseline |          100 |              0.0 |            1.00 |              – |
| other    |           50 |              8.0 |            0.80 |              – |

Not measured, because not installed: x, y.
`
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
}

func TestEveryServerAndApplicationOfTheTablesExists(t *testing.T) {
	for _, g := range groups() {
		for _, r := range g.rows {
			if r.server != "" && servers[r.server] == nil {
				t.Errorf("%s: there is no server %s", g.name, r.server)
			}
			if r.peer != "" && peers[r.peer].command == nil {
				t.Errorf("%s: there is no peer %s", g.name, r.peer)
			}
			if r.app == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", r.app)); err != nil {
				t.Errorf("%s: %v", g.name, err)
			}
		}
	}
}
