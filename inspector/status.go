package inspector

import (
	"math"
	"slices"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/inspector/api"
	"asgibox/store"
)

// status returns the totals and gauges.
func (s *Server) status() *api.Status {
	st := &api.Status{
		App: s.opts.App, Version: s.opts.Version, Now: api.UnixMilli(time.Now()),
		Requests: s.visits.requests(), Share: 1, Viewers: s.viewers.count.Load(), Token: s.opts.Token != "", UDP: s.opts.UDP,
	}
	st.Messages, _, st.Lost = s.history.counts()
	st.Layer = s.opts.LayerName
	if s.recorder != nil {
		st.Share = s.recorder.Share()
	}
	if s.opts.Contents != nil {
		t := s.opts.Contents.Totals()
		st.Since = api.UnixMilli(t.Opened)
		st.Sent, st.Refused, st.Rate = t.MessagesCount, t.ChannelFullCount, t.MessagesCountPerSecond
		st.Waiting, st.Delayed, st.Channels, st.Groups = t.MessagesPending, t.Delayed, t.Channels, t.Groups
		st.Memory, st.Limit, st.Paused = t.Memory, t.Limit, t.Paused
	}
	if s.opts.Front != nil {
		_, st.Sockets = s.opts.Front.Connections(0)
	}
	if s.opts.Pool != nil {
		st.Generation, st.Kind = s.opts.Pool.Generation()
		for _, w := range s.opts.Pool.Workers() {
			st.Workers++
			if w.Busy {
				st.Busy++
			}
		}
	}
	if s.opts.Chaos != nil {
		st.Chaos = s.opts.Chaos.Rules()
	}
	last, failed := s.loads.last()
	st.Error, st.Failed, st.Errors = last.Error, failed, s.errors.counts()
	return st
}

var kindNames = map[asgi.Kind]string{asgi.Normal: "normal", asgi.SingleReader: "single-reader", asgi.ProcessSpecific: "process"}

// channels returns up to limit channels with matching names, the fullest and
// busiest first, and the number of all. An empty pattern matches all names.
func (s *Server) channels(limit int, pattern string) ([]api.Channel, int) {
	if s.opts.Contents == nil {
		return nil, 0
	}
	var filter func(string) bool
	if pattern != "" {
		filter = func(name string) bool { return asgi.MatchName(pattern, name) }
	}
	found, all := s.opts.Contents.Channels(limit, filter)
	channels := make([]api.Channel, 0, len(found))
	for _, c := range found {
		channels = append(channels, channelOf(c))
	}
	return channels, all
}

// flowChannels returns the channels that the view Flow may show. The protocol
// server's channels are among them even if many other channels are fuller.
func (s *Server) flowChannels() []api.Channel {
	if s.opts.Contents == nil {
		return nil
	}
	all, _ := s.opts.Contents.Channels(math.MaxInt, nil)
	room := map[bool]int{true: 8, false: 24}
	var channels []api.Channel
	for _, c := range all {
		if c.Name == asgi.UDPReceive && s.opts.UDP == "" && c.Sent == 0 {
			continue // workers read it, but no datagram can arrive
		}
		if protocol := isProtocolChannel(c.Name); room[protocol] > 0 {
			room[protocol]--
			channels = append(channels, channelOf(c))
		}
	}
	if s.opts.UDP != "" && !slices.ContainsFunc(channels, func(c api.Channel) bool { return c.Name == asgi.UDPReceive }) {
		channels = append(channels, api.Channel{Name: asgi.UDPReceive, Kind: kindNames[asgi.Normal], Capacity: s.opts.Layer.Settings().Capacity, Unread: true})
	}
	return channels
}

// flowGroups returns the groups that the view Flow shows.
func (s *Server) flowGroups() []api.Group {
	groups, _ := s.groupList(8, "")
	return groups
}

// flowLists are the lists of the view Flow, which every frame has.
type flowLists struct {
	channels paced[[]api.Channel]
	groups   paced[[]api.Group]
}

// isProtocolChannel reports whether a protocol server sends to a channel or
// receives from it.
func isProtocolChannel(name string) bool {
	if strings.Contains(name, "?") {
		return false // of a request body; there are many
	}
	for _, prefix := range []string{"http.", "websocket.", "udp."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.Contains(name, "!")
}

func channelOf(c store.ChannelView) api.Channel {
	return api.Channel{
		Name: c.Name, Kind: kindNames[c.Kind], Depth: c.Depth, Capacity: c.Capacity, OldestMS: api.Milliseconds(c.OldestAge),
		Readers: c.Readers, Bound: c.Bound, Unread: c.Unread, Paused: c.Paused, Sent: c.Sent, Rate: c.SentPerSecond,
		Refused: c.Refused, RefusedRate: c.RefusedPerSecond, Expired: c.Expired,
	}
}

// groupList returns up to limit groups with a text in their names, and the
// number of all.
func (s *Server) groupList(limit int, text string) (list []api.Group, all int) {
	if s.opts.Contents == nil {
		return nil, 0
	}
	groups, all := s.opts.Contents.Groups(limit, func(name string) bool { return strings.Contains(name, text) })
	for _, g := range groups {
		list = append(list, api.Group{Name: g.Name, Members: g.Members})
	}
	return list, all
}

func (s *Server) members(group string) []api.Member {
	if s.opts.Contents == nil {
		return nil
	}
	found, _ := s.opts.Contents.Members(group, 500)
	members := make([]api.Member, 0, len(found))
	for _, m := range found {
		members = append(members, api.Member{Channel: m.Channel, Expires: api.UnixMilli(m.Expires)})
	}
	return members
}

func (s *Server) connections(limit int) ([]api.Connection, int) {
	if s.opts.Front == nil {
		return nil, 0
	}
	open, all := s.opts.Front.Connections(limit)
	for i := range open {
		open[i].Path, open[i].Groups = cutPath(open[i].Path), []string{}
		if s.opts.Contents != nil {
			open[i].Groups = append(open[i].Groups, s.opts.Contents.GroupsOf(open[i].Channel)...)
		}
	}
	return open, all
}

// maxWorkers is how many workers a list has. An event loop can have thousands.
const maxWorkers = 200

// workers returns the workers, the busy ones if there are too many.
func (s *Server) workers() []api.Worker {
	if s.opts.Pool == nil {
		return nil
	}
	all := s.opts.Pool.Workers()
	if len(all) > maxWorkers {
		slices.SortStableFunc(all, func(a, b api.Worker) int {
			switch {
			case a.Busy == b.Busy:
				return 0
			case a.Busy:
				return -1
			}
			return 1
		})
		all = all[:maxWorkers]
	}
	return all
}

func (s *Server) processes() []api.Process {
	if s.opts.Pool == nil {
		return nil
	}
	return s.opts.Pool.Processes()
}

// remotes returns the programs that receive messages over HTTP.
func (s *Server) remotes() (list []api.Remote) {
	if s.opts.Readers == nil {
		return nil
	}
	for _, r := range s.opts.Readers() {
		one := api.Remote{
			Host: r.Host, Agent: r.Agent, Channels: r.Channels, Waiting: r.Waiting, Received: r.Received,
			Seen: api.UnixMilli(r.Seen), Channel: r.Channel, At: api.UnixMilli(r.At),
		}
		if r.Trace != 0 {
			one.Trace = r.Trace.String()
		}
		list = append(list, one)
	}
	return list
}

// machines returns the processes that share the layer.
func (s *Server) machines() []api.Machine {
	if s.opts.Machines == nil {
		return nil
	}
	return s.opts.Machines.Machines()
}
