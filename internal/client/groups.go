package client

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"asgibox/inspector/api"
)

func newGroupCommands() *cobra.Command {
	group := &cobra.Command{
		Use:   "group",
		Short: "Inspect and change the groups of a running server",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("group has no command %q: use send, add, discard or list", args[0])
			}
			return cmd.Help()
		},
	}
	group.AddCommand(newGroupSend(), newGroupMember("add", "Add a channel to a group"),
		newGroupMember("discard", "Remove a channel from a group"), newGroupList())
	return group
}

func newGroupSend() *cobra.Command {
	return newLayerCommand(&cobra.Command{
		Use:               "send GROUP JSON",
		Short:             "Send a message to all members of a group",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeGroups,
	}, nil, func(c *client, args []string) error {
		return c.send("/api/group/send", "group", args[0], args[1])
	})
}

func newGroupMember(verb, short string) *cobra.Command {
	return newLayerCommand(&cobra.Command{Use: verb + " GROUP CHANNEL", Short: short, Args: cobra.ExactArgs(2), ValidArgsFunction: completeMembers}, nil,
		func(c *client, args []string) error {
			if err := c.Post(c.ctx, "/api/group/"+verb, map[string]string{"group": args[0], "channel": args[1]}, nil); err != nil {
				return err
			}
			return c.report(struct{}{}, "%s: %s %s", args[0], verb, args[1])
		})
}

func newGroupList() *cobra.Command {
	return newLayerCommand(&cobra.Command{
		Use:               "list [GROUP]",
		Short:             "List the groups, or the members of a group",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeGroups,
	}, nil, func(c *client, args []string) error {
		if len(args) == 1 {
			return c.listMembers(args[0])
		}
		var response api.Groups
		if err := c.Get(c.ctx, "/api/groups", nil, &response); err != nil {
			return err
		}
		if c.json {
			return c.print(response.Groups)
		}
		var rows [][]string
		for _, g := range response.Groups {
			rows = append(rows, []string{g.Name, strconv.Itoa(g.Members)})
		}
		return c.table("GROUP MEMBERS", rows)
	})
}

func (c *client) listMembers(group string) error {
	var response api.Members
	if err := c.Get(c.ctx, "/api/groups", url.Values{"name": {group}}, &response); err != nil {
		return err
	}
	if c.json {
		return c.print(response.Members)
	}
	var rows [][]string
	for _, m := range response.Members {
		rows = append(rows, []string{m.Channel, time.Until(time.UnixMilli(int64(m.Expires))).Round(time.Second).String()})
	}
	return c.table("CHANNEL ENDS-IN", rows)
}
