package redisstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"asgibox/asgi"
)

// Send sends a message. See [asgi.Layer]. A message to a connection of this
// process is delivered directly.
func (l *Layer) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	if err := l.checkSize(m.Size()); err != nil {
		return err
	}
	if err := l.closing(); err != nil {
		return err
	}
	if b := l.bound(channel); b != nil {
		return b.send(ctx, c, channel, m, nil, opts)
	}
	if channel == asgi.DelayChannel {
		return l.sendToDelay(ctx, c, m)
	}
	body, err := l.encode(channel, m)
	if err != nil {
		return err
	}
	err = l.push(ctx, l.sendHost(channel), channel, body)
	if err == asgi.ErrGone && !slices.Contains(opts, asgi.ReportGone) {
		return nil
	}
	return err
}

// push sends a body over Redis. It fails with [asgi.ErrGone] if the channel is known to be
// that of a connection that has ended.
func (l *Layer) push(ctx context.Context, h *host, channel string, body []byte) error {
	capacity, name, stats := l.capacityOf(channel), asgi.ProcessPrefix(channel), l.opts.StatsPrefix
	keys := []string{l.bodyKey(channel), l.opts.Prefix + name, stats + name + countSuffix, stats + globalName + countSuffix}
	if asgi.KindOf(channel) == asgi.ProcessSpecific {
		keys = append(keys, l.mailboxKey(channel))
	}
	v, err := h.eval(ctx, "send", sendScript, keys, body, seconds(l.opts.Expiry), seconds(l.opts.Expiry)+1, capacity, stats, name)
	if err != nil {
		return full(channel, err)
	}
	if result, slow := v.([]any); slow {
		if v = result[0]; len(result) > 1 {
			l.expired(channel, texts(result[1:]))
		}
	}
	switch v {
	case int64(1):
		return nil
	case mailboxFull:
		return slowReader(channel)
	case mailboxGone:
		return asgi.ErrGone
	default:
		return &asgi.ChannelFullError{Channel: channel, Reason: fmt.Sprintf("%d messages wait (--capacity)", capacity)}
	}
}

// sendHost returns the host to send a message to: for a normal channel the next
// one that is there.
func (l *Layer) sendHost(channel string) *host {
	if asgi.KindOf(channel) != asgi.Normal {
		return l.hostOf(asgi.ProcessPrefix(channel))
	}
	for range l.hosts {
		if h := l.turn(&l.sends); h.gone() == nil {
			return h
		}
	}
	return l.turn(&l.sends)
}

// randomLength is the length of the random part of a new channel's name.
const randomLength = 16

// NewChannel returns the name of an unused single-reader channel. See
// [asgi.Layer].
func (l *Layer) NewChannel(ctx context.Context, pattern string) (string, error) {
	if err := asgi.CheckPattern(pattern); err != nil {
		return "", err
	}
	if len(pattern)+randomLength > asgi.MaxNameLength {
		return "", &asgi.InvalidNameError{Name: pattern, Reason: "the name with its random part is longer than 100 bytes"}
	}
	for {
		name := pattern + randomLetters(randomLength)
		n, err := l.hostOf(name).do(ctx, "new_channel", "exists", l.listKey(name))
		if err != nil {
			return "", err
		}
		if n == int64(0) {
			return name, nil
		}
	}
}

func randomLetters(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	name := make([]byte, n)
	for i := range name {
		name[i] = letters[rand.IntN(len(letters))]
	}
	return string(name)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// texts returns a reply as texts.
func texts(items []any) []string {
	out := make([]string, 0, len(items))
	for _, item := range items {
		text, _ := item.(string)
		out = append(out, text)
	}
	return out
}
