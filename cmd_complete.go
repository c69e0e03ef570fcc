package main

import "github.com/spf13/cobra"

// completeChannels, completeGroups and completeSockets propose what the running
// server has.
func completeChannels(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var answer struct{ Channels []struct{ Name string } }
	return proposed(cmd, "/api/channels", &answer, func() (names []string) {
		for _, ch := range answer.Channels {
			names = append(names, ch.Name)
		}
		return names
	})
}

func completeGroups(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var answer struct{ Groups []struct{ Name string } }
	return proposed(cmd, "/api/groups", &answer, func() (names []string) {
		for _, g := range answer.Groups {
			names = append(names, g.Name)
		}
		return names
	})
}

func completeMembers(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return completeGroups(cmd, args, begun)
	case 1:
		return completeChannels(cmd, args, begun)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func completeSockets(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var answer struct {
		Connections []struct{ Channel, Path string }
	}
	return proposed(cmd, "/api/connections", &answer, func() (names []string) {
		for _, s := range answer.Connections {
			names = append(names, s.Channel+"\t"+s.Path)
		}
		return names
	})
}

// proposed asks the server that the command would ask.
func proposed(cmd *cobra.Command, path string, answer any, names func() []string) ([]string, cobra.ShellCompDirective) {
	r := &remoteCommand{cmd: cmd}
	_ = fromEnvironment(cmd.Flags()) // what is wrong with it shows when the command runs
	r.address, _ = cmd.Flags().GetString("control")
	r.store, _ = cmd.Flags().GetString("store")
	r.token, _ = cmd.Flags().GetString("token")
	c, err := r.find()
	if err != nil || c.get(path, nil, answer) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names(), cobra.ShellCompDirectiveNoFileComp
}

// completeApplications proposes Starlark files.
func completeApplications(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"star"}, cobra.ShellCompDirectiveFilterFileExt
}
