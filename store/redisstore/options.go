package redisstore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

// Options of a [Layer]. A zero field has its default, given at the end of its
// comment.
type Options struct {
	Hosts           []Host                  // the ring, in order; redis://localhost:6379/0
	Prefix          string                  // first part of the keys of messages and groups; asgi:
	StatsPrefix     string                  // first part of the keys of counters; asgi-meta:
	Keys            []string                // secrets: the first one encrypts, all decrypt; none, so nothing is encrypted
	Expiry          time.Duration           // lifetime of an unread message, rounded up to seconds; 60 s
	GroupExpiry     time.Duration           // lifetime of a membership after the last add, rounded up to seconds; 86,400 s
	Capacity        int                     // messages in a queue that matches no pattern; 1,000
	ChannelCapacity []store.PatternCapacity // first match wins; none
	MaxMessage      int                     // bytes of payload in one message; 1 MiB
	Name            string                  // name of this machine in the list of machines; the host name
	Version         string                  // version of the program in the list of machines; none
	Log             *slog.Logger            // discards all records
	// Observe is called after every call of Redis, with its kind, like "send".
	// It is called by many goroutines at once and must return soon; none.
	Observe func(kind string, took time.Duration, err error)
}

// A Host is the place of one Redis, and how to log in.
type Host struct {
	Network  string // tcp or unix
	Address  string // host:port, or the path of a socket
	Username string
	Password string
	DB       int
	TLS      *tls.Config // nil: none
}

// String returns the host as a URL without user and password.
func (h Host) String() string {
	switch {
	case h.Network == "unix" && h.DB != 0:
		return "unix://" + h.Address + "?db=" + strconv.Itoa(h.DB)
	case h.Network == "unix":
		return "unix://" + h.Address
	case h.TLS != nil:
		return "rediss://" + h.Address + "/" + strconv.Itoa(h.DB)
	}
	return "redis://" + h.Address + "/" + strconv.Itoa(h.DB)
}

func (o Options) withDefaults() Options {
	defaults := store.DefaultOptions()
	if len(o.Hosts) == 0 {
		o.Hosts = []Host{{Network: "tcp", Address: "localhost:6379"}}
	}
	if o.Prefix == "" {
		o.Prefix = "asgi:"
	}
	if o.StatsPrefix == "" {
		o.StatsPrefix = "asgi-meta:"
	}
	if o.Capacity <= 0 {
		o.Capacity = defaults.Capacity
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = defaults.MaxMessage
	}
	if o.Name == "" {
		o.Name, _ = os.Hostname()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string, time.Duration, error) {}
	}
	o.Expiry = wholeSeconds(o.Expiry, defaults.Expiry)
	o.GroupExpiry = wholeSeconds(o.GroupExpiry, defaults.GroupExpiry)
	return o
}

// wholeSeconds rounds a duration up to seconds, because Redis and the other
// processes on the layer count in seconds.
func wholeSeconds(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return (d + time.Second - 1).Truncate(time.Second)
}

// check returns an error if a flush of another process would remove the keys of
// state and sessions.
func (o *Options) check() error {
	for _, p := range []struct{ name, value string }{{"prefix", o.Prefix}, {"stats_prefix", o.StatsPrefix}} {
		if i := strings.IndexAny(p.value, "*?[]\\^"); i >= 0 {
			return fmt.Errorf("%s %q: the character %q is not allowed, because a flush would match keys of others", p.name, p.value, p.value[i])
		}
		if strings.HasPrefix(ownPrefix+o.Prefix, p.value) {
			return fmt.Errorf("%s %q: a flush would remove state and sessions, whose keys begin with %q", p.name, p.value, ownPrefix+o.Prefix)
		}
	}
	if strings.HasPrefix(o.StatsPrefix, ownPrefix+o.Prefix) {
		return fmt.Errorf("stats_prefix %q: the keys of state and sessions begin with it too", o.StatsPrefix)
	}
	return nil
}

func (o *Options) settings() asgi.Settings {
	return asgi.Settings{Expiry: o.Expiry, GroupExpiry: o.GroupExpiry, Capacity: o.Capacity, MaxMessage: o.MaxMessage}
}

// IsURL reports whether the address of a layer is the URL of a Redis.
func IsURL(address string) bool {
	scheme, _, ok := strings.Cut(address, "://")
	return ok && (scheme == "redis" || scheme == "rediss" || scheme == "unix")
}

// ParseURLs returns the options that URLs give, one for each host of the ring:
//
//	redis://[[user]:password@]host[:port][/db][?options]
//	rediss://…, which uses TLS
//	unix:///path[?options]
//
// The options are prefix, stats_prefix, symmetric_encryption_keys (repeated, one
// secret each) and, for a socket, db, user and password. An option counts for all
// hosts; it may be repeated in other URLs only with the same value. No error has
// the password or a secret in it.
func ParseURLs(addresses ...string) (Options, error) {
	var o Options
	for i, address := range addresses {
		h, q, err := parseURL(address)
		if err != nil {
			return Options{}, fmt.Errorf("layer %s: %w", masked(address), err)
		}
		o.Hosts = append(o.Hosts, h)
		for _, option := range []struct {
			name  string
			value *string
		}{{"prefix", &o.Prefix}, {"stats_prefix", &o.StatsPrefix}} {
			switch v := q.Get(option.name); {
			case v == "":
			case i > 0 && *option.value != v:
				return Options{}, fmt.Errorf("layer %s: the option %s differs from that of another host", masked(address), option.name)
			default:
				*option.value = v
			}
		}
		if keys := q["symmetric_encryption_keys"]; len(keys) > 0 {
			if i > 0 && strings.Join(keys, "\n") != strings.Join(o.Keys, "\n") {
				return Options{}, fmt.Errorf("layer %s: the option symmetric_encryption_keys differs from that of another host", masked(address))
			}
			o.Keys = keys
		}
	}
	return o, nil
}

var errNotURL = errors.New("it is not a URL; characters like @, / and ? in a password must be written as %40, %2F and %3F")

func parseURL(address string) (h Host, q url.Values, err error) {
	if !IsURL(address) {
		return h, nil, errors.New("it must begin with redis://, rediss:// or unix://")
	}
	u, err := url.Parse(address)
	if err != nil {
		return h, nil, errNotURL
	}
	if q, err = url.ParseQuery(u.RawQuery); err != nil {
		return h, nil, errors.New("the options after ? are not valid")
	}
	h.Username = u.User.Username()
	h.Password, _ = u.User.Password()
	db := strings.Trim(u.Path, "/")
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" || u.Path == "/" {
			return h, nil, errors.New("the path of a socket must have three slashes, like unix:///run/redis.sock")
		}
		h.Network, h.Address, db = "unix", u.Path, q.Get("db")
		if v := q.Get("user"); v != "" {
			h.Username = v
		}
		if v := q.Get("password"); v != "" {
			h.Password = v
		}
	default:
		if u.Hostname() == "" {
			return h, nil, errors.New("the host is missing")
		}
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		h.Network, h.Address = "tcp", joinHostPort(u.Hostname(), port)
		if u.Scheme == "rediss" {
			h.TLS = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
		}
	}
	if db != "" {
		if h.DB, err = strconv.Atoi(db); err != nil || h.DB < 0 {
			return h, nil, errors.New("the database must be a number, like redis://localhost:6379/0")
		}
	}
	for name := range q {
		switch name {
		case "prefix", "stats_prefix", "symmetric_encryption_keys":
		case "db", "user", "password":
			if u.Scheme != "unix" {
				return h, nil, fmt.Errorf("the option %s is for unix:// only; write it before the ?", name)
			}
		default:
			if strings.Contains(name, "@") { // it is a part of the password
				return h, nil, errNotURL
			}
			return h, nil, fmt.Errorf("there is no option %q; the options are prefix, stats_prefix and symmetric_encryption_keys", name)
		}
	}
	return h, q, nil
}

func joinHostPort(host, port string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]:" + port
	}
	return host + ":" + port
}

// masked returns an address without user, password and options. It keeps only the
// scheme if it is not clear where a password ends.
func masked(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return strconv.Quote("…")
	}
	place, options, _ := strings.Cut(rest, "?")
	i := strings.LastIndexByte(place, '@')
	_, err := url.Parse(address)
	if place = place[i+1:]; strings.Contains(options, "@") || i < 0 && err != nil {
		place = "…"
	}
	return strconv.Quote(scheme + "://" + place)
}
