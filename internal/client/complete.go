package client

import (
	"github.com/spf13/cobra"

	"asgibox/inspector/api"
	"asgibox/internal/command"
)

// completeChannels proposes the channels of the running server.
func completeChannels(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var response api.Channels
	return proposed(cmd, "/api/channels", &response, func() (names []string) {
		for _, ch := range response.Channels {
			names = append(names, ch.Name)
		}
		return names
	})
}

// completeGroups proposes the groups of the running server.
func completeGroups(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var response api.Groups
	return proposed(cmd, "/api/groups", &response, func() (names []string) {
		for _, g := range response.Groups {
			names = append(names, g.Name)
		}
		return names
	})
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
	var response api.Connections
	return proposed(cmd, "/api/connections", &response, func() (names []string) {
		for _, s := range response.Connections {
			names = append(names, s.Channel+"\t"+s.Path)
		}
		return names
	})
}

// proposed returns names from a response of the server that the command would
// call.
func proposed(cmd *cobra.Command, path string, response any, names func() []string) ([]string, cobra.ShellCompDirective) {
	_ = command.FromEnvironment(cmd.Flags()) // running the command reports the error
	var s Server
	s.Address, _ = cmd.Flags().GetString("control")
	s.Store, _ = cmd.Flags().GetString("store")
	s.Token, _ = cmd.Flags().GetString("token")
	c, err := s.connect(cmd)
	if err != nil || c.Get(c.ctx, path, nil, response) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names(), cobra.ShellCompDirectiveNoFileComp
}
