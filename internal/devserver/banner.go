package devserver

import (
	"fmt"
	"slices"
	"strings"

	"asgibox/internal/command"
	"asgibox/internal/console"
	"asgibox/internal/logkey"
)

// banner prints the addresses of the server and what it does.
func (s *server) banner() {
	switch {
	case s.options.LogFormat == "json":
		s.log.Info("listening", "urls", append(slices.Clone(s.urls), s.networkURLs...), logkey.App, s.app.Name, "store", s.dataFile, "layer", s.layerName(), "found", s.found())
	case !s.options.Quiet && s.user == nil:
		fmt.Fprintln(s.out, s.bannerText(s.found()))
	}
}

// bannerText returns the lines of the banner. Found is what the store has kept.
func (s *server) bannerText(found string) string {
	var b strings.Builder
	row := func(name, value string) { fmt.Fprintf(&b, "  %-10s %s\n", name, console.Printable(value)) }
	fmt.Fprintf(&b, "asgibox %s\n\n", command.Version())
	if s.options.NoWorkers {
		row("app", "none here (--no-workers)")
	} else {
		row("app", s.app.Name)
	}
	if s.launch != nil && s.launch.about[0] != "" {
		row(s.launch.about[0], s.launch.about[1])
	}
	for _, url := range s.urls {
		row("open", url)
	}
	for _, url := range s.networkURLs {
		row("network", url)
	}
	if s.packets != nil {
		row("datagrams", s.packets.LocalAddr().String())
	}
	inspected := s.control.Load()
	if inspected != nil {
		row("inspector", inspected.url())
		for _, url := range inspected.networkURLs() {
			row("network", url)
		}
	}
	if s.redis != nil {
		row("layer", s.layerName())
	}
	row("data", s.data())
	if found != "" {
		row("found", found)
	}
	if s.keyboard != nil {
		row("stop", keysHelp(inspected != nil))
	} else {
		row("stop", "Ctrl-C")
	}
	return b.String()
}

// data describes what outlives the process.
func (s *server) data() string {
	switch {
	case s.redis != nil:
		return "nothing is saved here; the layer keeps queued work, groups, sessions and state"
	case s.dataFile == MemoryStore:
		return "nothing is saved (--store memory)"
	}
	return "queued work, groups, sessions and state, in " + s.dataFile
}
