package devserver

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"asgibox/inspector"
	"asgibox/inspector/api"
	"asgibox/internal/command"
	"asgibox/store/redisstore"
)

// A redisLayer is a layer on Redis with the parts that the inspector shows.
type redisLayer struct {
	*redisstore.Layer
	calls *inspector.LayerCalls
}

// openRedis opens the layer on Redis that the options name.
func openRedis(ctx context.Context, o *Options, log *slog.Logger) (*redisLayer, error) {
	l := &redisLayer{calls: inspector.NewLayerCalls()}
	ro := *o.Redis
	ro.Version, ro.Log, ro.Observe = command.Version(), log, l.calls.Observe
	var err error
	l.Layer, err = redisstore.OpenWithin(ctx, ro, o.RedisWait)
	return l, err
}

// name names the layer and its hosts, without passwords.
func (l *redisLayer) name() string {
	hosts := l.Options().Hosts
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.String()
	}
	return "Redis, " + strings.Join(names, ", ")
}

// inspected sets the options of an inspector of the layer.
func (l *redisLayer) inspected(o *inspector.Options) {
	o.LayerName, o.Contents, o.Machines = l.name(), l.View(), machineView{l.Layer}
	o.Calls, o.Reconnects = l.calls, l.Reconnects
}

// layerName names the layer, or returns "" if it is the store.
func (s *server) layerName() string {
	if s.redis == nil {
		return ""
	}
	return s.redis.name()
}

// counts returns the figures that other machines show of this process.
func (s *server) counts() (sockets, workers int) {
	if s.generations != nil {
		workers = len(s.generations.pool.Workers())
	}
	return s.front.Sockets(), workers
}

// machinesTimeout limits the time in which the list of machines must come.
const machinesTimeout = time.Second

// machineView shows the machines on the layer to the inspector.
type machineView struct{ layer *redisstore.Layer }

func (v machineView) Machines() []api.Machine {
	ctx, cancel := context.WithTimeout(context.Background(), machinesTimeout)
	defer cancel()
	found, _ := v.layer.Machines(ctx) // the layer logs that it cannot be reached
	all := make([]api.Machine, 0, len(found))
	here, _ := os.Hostname()
	for _, m := range found {
		all = append(all, api.Machine{
			Name: m.Name, PID: m.PID, Version: m.Version, Started: api.UnixMilli(m.Started), Seen: api.UnixMilli(m.Seen),
			Sockets: m.Sockets, Workers: m.Workers, Self: m.PID == os.Getpid() && m.Name == here,
		})
	}
	return all
}
