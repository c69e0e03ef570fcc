package client

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"asgibox/inspector/api"
	"asgibox/internal/command"
)

func newRequests() *cobra.Command {
	var archive bool
	return newCommand(&cobra.Command{
		Use:   "requests [FILTER…]",
		Short: "List the latest requests and WebSockets of a running server",
		Long: `requests lists the requests and WebSockets in the inspector's history, the newest
last. The filter is written as in the inspector's view Requests:

  method:POST  path:/chat/*  status:5xx  state:streaming  is:socket  is:error
  type:*json  handler:page  client:127.0.0.1  slower:100  trace:00c0ffee  hello

All terms must match; a minus negates a term; a word without a key is searched
for in the whole line. slower takes milliseconds. Put -- before a term with a
minus.

With --har, requests prints an HTTP Archive, with headers, bodies and frames, which
browsers and other tools read.`,
		Example: "  asgibox requests is:error\n  asgibox requests --har path:/api/* > api.har",
	}, func(g command.FlagGroup) {
		g.BoolVar(&archive, "har", false, "print an HTTP Archive (HAR 1.2)")
	}, func(c *client, args []string) error {
		query := url.Values{"filter": {strings.Join(args, " ")}, "limit": {"1000"}}
		if archive {
			var har json.RawMessage
			if err := c.Get(c.ctx, "/api/har", query, &har); err != nil {
				return err
			}
			return c.printLine(har)
		}
		var list api.Requests
		if err := c.Get(c.ctx, "/api/requests", query, &list); err != nil {
			return err
		}
		if c.json {
			return c.print(list)
		}
		rows := make([][]string, 0, len(list.Requests))
		for _, r := range list.Requests {
			rows = append(rows, requestRow(&r))
		}
		return c.table("TIME METHOD PATH STATUS SIZE TOOK HANDLER", rows)
	})
}

func requestRow(r *api.Request) []string {
	method, size, took, status := r.Method, strconv.FormatInt(r.BytesOut, 10), "", r.State
	if r.Socket {
		method, size = "WS", fmt.Sprintf("%d+%d", r.FramesIn, r.Parts)
	}
	if r.DurationMS > 0 {
		took = (time.Duration(r.DurationMS*1000) * time.Microsecond).String()
	}
	switch {
	case r.State == "done":
		status = strconv.Itoa(r.Status)
	case r.Status != 0:
		status += " " + strconv.Itoa(r.Status)
	}
	return []string{time.UnixMilli(int64(r.Started)).Format("15:04:05.000"), method, r.Path, status, size, took, r.Handler}
}
