package client

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"asgibox/inspector/api"
	"asgibox/internal/command"
	"asgibox/internal/flagvalue"
)

func newPs() *cobra.Command {
	return newCommand(&cobra.Command{
		Use:   "ps",
		Short: "List the open WebSockets, the busy workers, the processes and the workers elsewhere of a running server",
		Args:  cobra.NoArgs,
	}, nil, func(c *client, _ []string) error {
		var open api.Connections
		var all api.Workers
		var status api.Status
		if err := errors.Join(c.Get(c.ctx, "/api/connections", nil, &open), c.Get(c.ctx, "/api/workers", nil, &all), c.Get(c.ctx, "/api/status", nil, &status)); err != nil {
			return err
		}
		if c.json {
			return c.print(map[string]any{"connections": open.Connections, "workers": all.Workers, "processes": all.Processes, "remotes": all.Remotes})
		}
		var sockets, busy [][]string
		for _, s := range open.Connections {
			sockets = append(sockets, []string{
				s.Channel, s.Path, s.Client, age(s.Opened), strconv.FormatInt(s.FramesIn, 10),
				strconv.FormatInt(s.FramesOut, 10), strconv.Itoa(s.Mailbox), strings.Join(s.Groups, ","),
			})
		}
		for _, w := range all.Workers {
			if w.Busy {
				busy = append(busy, []string{strconv.Itoa(w.Number), strconv.FormatUint(w.Generation, 10), w.Channel, age(w.Since), w.Handler})
			}
		}
		if err := c.table("SOCKET PATH CLIENT AGE IN OUT MAILBOX GROUPS", sockets); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "\n%d of %d workers busy\n", status.Busy, status.Workers)
		if len(busy) > 0 {
			if err := c.table("WORKER GENERATION CHANNEL FOR HANDLER", busy); err != nil {
				return err
			}
		}
		if err := c.processes(all.Processes); err != nil {
			return err
		}
		if len(all.Remotes) == 0 {
			return nil
		}
		var remotes [][]string
		for _, r := range all.Remotes {
			last := "never"
			if r.Channel != "" {
				last = age(r.At)
			}
			remotes = append(remotes, []string{r.Host, r.Agent, strings.Join(r.Channels, ","), strconv.FormatUint(r.Received, 10), last})
		}
		fmt.Fprintln(c.out)
		return c.table("HOST PROGRAM CHANNELS RECEIVED LAST", remotes)
	})
}

// processes lists the processes of the application, if there are some.
func (c *client) processes(all []api.Process) error {
	if len(all) == 0 {
		return nil
	}
	rows := make([][]string, 0, len(all))
	for _, p := range all {
		does := cmp.Or(p.Handler, p.Channel)
		switch {
		case p.Jobs == 0:
			does = "idle"
		case p.Jobs > 1:
			does += fmt.Sprintf(" and %d more", p.Jobs-1)
		}
		rows = append(rows, []string{
			strconv.Itoa(p.Worker), strconv.Itoa(p.PID), p.State, strconv.FormatUint(p.Generation, 10), age(p.Started),
			time.Duration(p.CPUMS * float64(time.Millisecond)).Round(10 * time.Millisecond).String(), fmt.Sprintf("%.1f MiB", float64(p.Memory)/(1<<20)),
			strconv.Itoa(p.Restarts), does,
		})
	}
	fmt.Fprintln(c.out)
	return c.table("PROCESS PID STATE GENERATION AGE CPU MEMORY RESTARTS HANDLER", rows)
}

func age(since float64) string {
	return time.Since(time.UnixMilli(int64(since))).Round(time.Second).String()
}

func newKill() *cobra.Command {
	code, reason := 1000, ""
	return newCommand(&cobra.Command{
		Use:               "kill SOCKET…",
		Short:             "Close WebSockets of a running server",
		Long:              "kill closes WebSockets. Name each one by its reply channel, or by the end of\nits reply channel, as ps prints it.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeSockets,
	}, func(g command.FlagGroup) {
		g.Var(flagvalue.Number{To: &code, Min: 1000, Max: 4999}, "code", "close code")
		g.StringVar(&reason, "reason", "", "reason to send to the client")
	}, func(c *client, args []string) error {
		var open api.Connections
		if err := c.Get(c.ctx, "/api/connections", url.Values{"limit": {"10000"}}, &open); err != nil {
			return err
		}
		for _, arg := range args {
			channel, err := matching(arg, open.Connections)
			if err != nil {
				return err
			}
			err = c.Post(c.ctx, "/api/connections/close", map[string]any{"channel": channel, "code": code, "reason": reason}, nil)
			if err != nil {
				return err
			}
			if err := c.report(map[string]string{"channel": channel}, "closing %s", channel); err != nil {
				return err
			}
		}
		return nil
	})
}

// matching returns the reply channel that ends in name. There must be exactly
// one.
func matching(name string, open []api.Connection) (string, error) {
	if name == "" {
		return "", errors.New("the name of the WebSocket is empty; asgibox ps lists the names")
	}
	var found []string
	for _, s := range open {
		if strings.HasSuffix(s.Channel, name) {
			found = append(found, s.Channel)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no open WebSocket's channel ends in %s", name)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%d WebSockets have channels that end in %s: give more of the name", len(found), name)
}

func newStats() *cobra.Command {
	var watch bool
	return newCommand(&cobra.Command{
		Use:   "stats",
		Short: "Show the statistics of a running server",
		Args:  cobra.NoArgs,
	}, func(g command.FlagGroup) {
		g.BoolVarP(&watch, "watch", "w", false, "repeat every second until Ctrl-C")
	}, func(c *client, _ []string) error {
		for {
			var raw json.RawMessage
			if err := c.Get(c.ctx, "/api/status", nil, &raw); err != nil {
				return err
			}
			if watch && !c.json && command.OnTerminal(c.out) {
				fmt.Fprint(c.out, "\x1b[H\x1b[2J")
			}
			if err := c.printStats(raw); err != nil || !watch {
				return err
			}
			select {
			case <-c.ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
		}
	})
}

func (c *client) printStats(raw json.RawMessage) error {
	if c.json {
		return c.print(raw)
	}
	var s api.Status
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	loads := "no workers here (--no-workers)"
	if s.Workers > 0 {
		loads = fmt.Sprintf("generation %d, %s, %d failed loads", s.Generation, s.Kind, s.Failed)
	}
	rows := [][]string{
		{"application", s.App, loads},
		{"messages", fmt.Sprintf("%.0f/s now", s.Rate), fmt.Sprintf("%d since %s", s.Sent, time.UnixMilli(int64(s.Since)).Format(time.DateTime))},
		{"waiting", strconv.Itoa(s.Waiting) + " now", fmt.Sprintf("%d delayed, %d of %d MiB", s.Delayed, s.Memory>>20, s.Limit>>20)},
		{"refused", strconv.FormatUint(s.Refused, 10), "in total, because a channel was full"},
		{"requests", strconv.FormatUint(s.Requests, 10), "in total"},
		{"sockets", strconv.Itoa(s.Sockets) + " now", fmt.Sprintf("%d groups, %d channels", s.Groups, s.Channels)},
		{"workers", fmt.Sprintf("%d of %d", s.Busy, s.Workers), "busy now"},
	}
	if s.Error != "" {
		line, _, _ := strings.Cut(s.Error, "\n")
		rows = append(rows, []string{"load", "failed", line})
	}
	return c.table("WHAT VALUE NOTE", rows)
}
