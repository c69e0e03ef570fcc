package client

import (
	"context"

	"github.com/spf13/cobra"

	"asgibox/inspector/api"
	"asgibox/internal/command"
)

// completeChannels proposes the channels of the running server.
func completeChannels(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return proposed(cmd, ChannelNames)
}

// completeGroups proposes the groups of the running server.
func completeGroups(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return proposed(cmd, GroupNames)
}

// ChannelNames returns the names of a server's channels, or nothing if the server
// cannot be reached.
func ChannelNames(ctx context.Context, c *api.Client) (names []string) {
	var response api.Channels
	_ = c.Get(ctx, "/api/channels", nil, &response) // only proposes names
	for _, ch := range response.Channels {
		names = append(names, ch.Name)
	}
	return names
}

// GroupNames returns the names of a server's groups, like [ChannelNames].
func GroupNames(ctx context.Context, c *api.Client) (names []string) {
	var response api.Groups
	_ = c.Get(ctx, "/api/groups", nil, &response) // only proposes names
	for _, g := range response.Groups {
		names = append(names, g.Name)
	}
	return names
}

// completeMembers proposes a group, then a channel.
func completeMembers(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return completeGroups(cmd, args, prefix)
	case 1:
		return completeChannels(cmd, args, prefix)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeSockets proposes the open WebSockets of the running server.
func completeSockets(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return proposed(cmd, func(ctx context.Context, c *api.Client) (names []string) {
		var response api.Connections
		_ = c.Get(ctx, "/api/connections", nil, &response) // only proposes names
		for _, s := range response.Connections {
			names = append(names, s.Channel+"\t"+oneLine(s.Path))
		}
		return names
	})
}

// proposed returns names from the server that the command would call.
func proposed(cmd *cobra.Command, names func(context.Context, *api.Client) []string) ([]string, cobra.ShellCompDirective) {
	_ = command.FromEnvironment(cmd.Flags()) // running the command reports the error
	var s Server
	s.Address, _ = cmd.Flags().GetString("control")
	s.Store, _ = cmd.Flags().GetString("store")
	s.Token, _ = cmd.Flags().GetString("token")
	c, err := s.Find()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names(cmd.Context(), c), cobra.ShellCompDirectiveNoFileComp
}
