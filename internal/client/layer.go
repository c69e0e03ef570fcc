package client

import (
	"fmt"
	"os"
	"strings"
	"time"

	"asgibox/internal/command"
	"asgibox/internal/flagvalue"
	"asgibox/store/redisstore"
)

// keysVariable is the environment variable with the secrets that encrypt messages
// on Redis, one a line. There is no flag, because other users see command lines.
const keysVariable = "ASGIBOX_LAYER_KEYS"

// Layer selects a channel layer on Redis.
type Layer struct {
	URLs []string
	Wait time.Duration // for Redis, at the start
}

// AddFlags adds the flags that select the layer. The value of --layer is checked
// later, because an error of a flag shows its value, which may have a password.
func (l *Layer) AddFlags(g command.FlagGroup) {
	accept := func(text string) (string, error) { return text, nil }
	g.Var(flagvalue.List[string]{To: &l.URLs, Parse: accept, Kind: "url", Separator: " "}, "layer",
		"URL of the Redis that holds the channel layer, like redis://localhost:6379/0, rediss://… or unix:///path; repeated for a ring of hosts")
	g.Var(flagvalue.Duration{To: &l.Wait, Zero: true}, "layer-wait", "time to wait for the Redis of --layer at the start")
}

// Options returns the options that --layer and the environment give, or nil without
// --layer.
func (l *Layer) Options() (*redisstore.Options, error) {
	if len(l.URLs) == 0 {
		return nil, nil
	}
	o, err := redisstore.ParseURLs(l.URLs...)
	if err != nil {
		return nil, fmt.Errorf("--%w", err) // it begins with "layer"
	}
	for line := range strings.Lines(os.Getenv(keysVariable)) {
		if secret := strings.TrimRight(line, "\r\n"); secret != "" {
			o.Keys = append(o.Keys, secret)
		}
	}
	return &o, nil
}
