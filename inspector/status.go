package inspector

import (
	"math"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

// A status is what every view shows.
type status struct {
	App        string  `json:"app"`
	Version    string  `json:"version"`
	Now        float64 `json:"now"`
	Since      float64 `json:"since"` // of all totals
	Generation uint64  `json:"generation"`
	Kind       string  `json:"kind"`
	Error      string  `json:"error,omitempty"` // of the last load
	Failed     uint64  `json:"failedLoads"`

	Sent     uint64  `json:"sent"` // totals
	Refused  uint64  `json:"refused"`
	Requests uint64  `json:"requests"`
	Rate     float64 `json:"rate"` // messages a second
	Waiting  int     `json:"waiting"`
	Delayed  int     `json:"delayed"`
	Channels int     `json:"channels"`
	Groups   int     `json:"groups"`
	Paused   int     `json:"paused"` // channels
	Memory   int     `json:"memory"`
	Limit    int     `json:"limit"`
	Sockets  int     `json:"sockets"`
	Workers  int     `json:"workers"`
	Busy     int     `json:"busy"`

	Share    float64 `json:"share"` // of the traces that is recorded
	Messages int     `json:"messages"`
	Lost     uint64  `json:"lost"`
	Viewers  int64   `json:"viewers"`

	Chaos []string `json:"chaos,omitempty"` // its rules
	Token bool     `json:"token,omitempty"` // is needed by who calls
}

func (s *Server) status() *status {
	st := &status{
		App: s.opts.App, Version: s.opts.Version, Now: millis(time.Now()),
		Requests: s.visits.requests(), Share: s.share(), Viewers: s.viewers.count.Load(), Token: s.opts.Token != "",
	}
	st.Messages, _, st.Lost = s.history.counts()
	if s.opts.Store != nil {
		t := s.opts.Store.Totals()
		st.Since = millis(t.Opened)
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
	st.Error, st.Failed = last.Error, failed
	return st
}

// A channelView is one queue as the page reads it.
type channelView struct {
	Name          string  `json:"name"`
	Kind          string  `json:"kind"`
	Depth         int     `json:"depth"`
	Capacity      int     `json:"capacity"`
	OldestMS      float64 `json:"oldestMs"`
	Readers       int     `json:"readers"`
	Bound         bool    `json:"bound"`
	Paused        bool    `json:"paused"`
	Sent          uint64  `json:"sent"`
	Rate          float64 `json:"rate"`
	Refused       uint64  `json:"refused"`
	RefusedPerSec float64 `json:"refusedRate"`
	Expired       uint64  `json:"expired"`
}

var kindNames = map[asgi.Kind]string{asgi.Normal: "normal", asgi.SingleReader: "single-reader", asgi.ProcessSpecific: "process"}

func (s *Server) channels(limit int, pattern string) ([]channelView, int) {
	if s.opts.Store == nil {
		return nil, 0
	}
	var keep func(string) bool
	if pattern != "" {
		keep = func(name string) bool { return fits(pattern, name) }
	}
	found, all := s.opts.Store.Channels(limit, keep)
	views := make([]channelView, 0, len(found))
	for _, c := range found {
		views = append(views, channelViewOf(c))
	}
	return views, all
}

// flowChannels answers the channels that Flow may have room for: however much
// waits elsewhere, what the protocol server sends and is sent is among them.
func (s *Server) flowChannels() []channelView {
	if s.opts.Store == nil {
		return nil
	}
	all, _ := s.opts.Store.Channels(math.MaxInt, nil)
	room := map[bool]int{true: 8, false: 24}
	var views []channelView
	for _, c := range all {
		if ours := protocolChannel(c.Name); room[ours] > 0 {
			room[ours]--
			views = append(views, channelViewOf(c))
		}
	}
	return views
}

func protocolChannel(name string) bool {
	if strings.Contains(name, "?") {
		return false // a body's, of which there are many
	}
	for _, prefix := range []string{"http.", "websocket.", "udp."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.Contains(name, "!")
}

func channelViewOf(c store.ChannelView) channelView {
	return channelView{
		Name: c.Name, Kind: kindNames[c.Kind], Depth: c.Depth, Capacity: c.Capacity, OldestMS: ms(c.OldestAge),
		Readers: c.Readers, Bound: c.Bound, Paused: c.Paused, Sent: c.Sent, Rate: c.SentPerSecond,
		Refused: c.Refused, RefusedPerSec: c.RefusedPerSecond, Expired: c.Expired,
	}
}

// A groupView is one group as the page reads it.
type groupView struct {
	Name    string `json:"name"`
	Members int    `json:"members"`
}

// groupViews answers up to limit groups with a text in their names, and how
// many there are.
func (s *Server) groupViews(limit int, like string) (views []groupView, all int) {
	if s.opts.Store == nil {
		return nil, 0
	}
	groups, all := s.opts.Store.Groups(limit, func(name string) bool { return strings.Contains(name, like) })
	for _, g := range groups {
		views = append(views, groupView{g.Name, g.Members})
	}
	return views, all
}

// A memberView is one membership as the page reads it.
type memberView struct {
	Channel string  `json:"channel"`
	Expires float64 `json:"expires"`
}

func (s *Server) members(group string) []memberView {
	if s.opts.Store == nil {
		return nil
	}
	members, _ := s.opts.Store.Members(group, 500)
	views := make([]memberView, 0, len(members))
	for _, m := range members {
		views = append(views, memberView{m.Channel, millis(m.Expires)})
	}
	return views
}

// A connectionView is one open WebSocket as the page reads it.
type connectionView struct {
	Channel      string   `json:"channel"`
	Path         string   `json:"path"`
	Client       string   `json:"client"`
	Protocol     string   `json:"protocol,omitempty"`
	Opened       float64  `json:"opened"`
	Waiting      bool     `json:"waiting"`
	FramesIn     int64    `json:"framesIn"`
	FramesOut    int64    `json:"framesOut"`
	BytesIn      int64    `json:"bytesIn"`
	BytesOut     int64    `json:"bytesOut"`
	Mailbox      int      `json:"mailbox"`
	MailboxBytes int      `json:"mailboxBytes"`
	MailboxRoom  int      `json:"mailboxRoom"` // messages and bytes that a mailbox holds at most
	BytesRoom    int      `json:"bytesRoom"`
	Groups       []string `json:"groups"`
}

func (s *Server) connections(limit int) ([]connectionView, int) {
	if s.opts.Front == nil {
		return nil, 0
	}
	open, all := s.opts.Front.Connections(limit)
	views := make([]connectionView, 0, len(open))
	for _, c := range open {
		v := connectionView{
			Channel: c.Channel, Path: c.Path, Client: c.Client, Protocol: c.Protocol, Opened: millis(c.Opened), Waiting: c.Waiting,
			FramesIn: c.FramesIn, FramesOut: c.FramesOut, BytesIn: c.BytesIn, BytesOut: c.BytesOut,
			Mailbox: c.Mailbox, MailboxBytes: c.MailboxBytes, MailboxRoom: c.MailboxRoom, BytesRoom: c.BytesRoom, Groups: []string{},
		}
		if s.opts.Store != nil {
			v.Groups = append(v.Groups, s.opts.Store.GroupsOf(c.Channel)...)
		}
		views = append(views, v)
	}
	return views, all
}

// A workerView is one worker as the page reads it.
type workerView struct {
	Number     int     `json:"number"`
	Generation uint64  `json:"generation"`
	Kind       string  `json:"kind"`
	Busy       bool    `json:"busy"`
	Channel    string  `json:"channel,omitempty"`
	Handler    string  `json:"handler,omitempty"`
	Trace      string  `json:"trace,omitempty"`
	Since      float64 `json:"since,omitempty"`
	Cancelled  bool    `json:"cancelled,omitempty"`
	Leaving    bool    `json:"leaving,omitempty"`
}

func (s *Server) workers() []workerView {
	if s.opts.Pool == nil {
		return nil
	}
	var views []workerView
	for _, w := range s.opts.Pool.Workers() {
		v := workerView{
			Number: w.Number, Generation: w.Generation, Kind: w.Kind, Busy: w.Busy,
			Channel: w.Channel, Handler: w.Handler, Since: millis(w.Since), Cancelled: w.Cancelled, Leaving: w.Leaving,
		}
		if w.Trace != 0 {
			v.Trace = w.Trace.String()
		}
		views = append(views, v)
	}
	return views
}
