package chaos

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/internal/flagvalue"
)

// A Rule says which share of the messages on some channels is dropped,
// reordered or delayed. Shares are between 0 and 1. The decisions are random
// and independent, but a dropped message is neither delayed nor reordered.
type Rule struct {
	Pattern            string // of channel names; "*" matches any text
	Drop               float64
	Reorder            float64
	DelayMin, DelayMax time.Duration // zero means no delay
}

// Parse parses a rule like
//
//	websocket.*:drop=1%,delay=50ms..200ms,reorder=5%
//
// A delay may also be a single duration. A rule has at least one of the three
// actions.
func Parse(text string) (Rule, error) {
	pattern, actions, ok := strings.Cut(text, ":")
	if !ok || pattern == "" || actions == "" {
		return Rule{}, ruleError(text, "want PATTERN:drop=1%,delay=50ms..200ms,reorder=5%")
	}
	if err := asgi.CheckMatch(pattern); err != nil {
		return Rule{}, ruleError(text, err.Error())
	}
	r := Rule{Pattern: pattern}
	seen := map[string]bool{}
	for _, action := range strings.Split(actions, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(action), "=")
		if seen[name] {
			return Rule{}, ruleError(text, name+" is given twice")
		}
		seen[name] = true
		if err := r.set(name, value); err != nil {
			return Rule{}, ruleError(text, err.Error())
		}
	}
	return r, nil
}

func (r *Rule) set(name, value string) (err error) {
	switch name {
	case "drop":
		r.Drop, err = parseShare(value)
	case "reorder":
		r.Reorder, err = parseShare(value)
	case "delay":
		r.DelayMin, r.DelayMax, err = parseDelay(value)
	default:
		err = fmt.Errorf("unknown action %q: use drop, delay or reorder", name)
	}
	return err
}

func ruleError(text, reason string) error { return fmt.Errorf("chaos %q: %s", text, reason) }

// parseShare parses a share like "1%" or "0.5%".
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if !percent || err != nil || !(n >= 0 && n <= 100) {
		return 0, fmt.Errorf("invalid share %q: want a percentage from 0%% to 100%%", text)
	}
	return n / 100, nil
}

// parseDelay parses a delay like "50ms..200ms" or "50ms".
func parseDelay(text string) (least, most time.Duration, err error) {
	from, to, isSpan := strings.Cut(text, "..")
	if !isSpan {
		to = from
	}
	if least, err = flagvalue.ParseDuration(from); err == nil {
		most, err = flagvalue.ParseDuration(to)
	}
	switch {
	case err != nil:
		return 0, 0, err
	case least < 0 || most < least:
		return 0, 0, fmt.Errorf("invalid delay %q: the first duration must not be negative or longer than the second", text)
	}
	return least, most, nil
}

func (r Rule) String() string {
	var actions []string
	if r.Drop > 0 {
		actions = append(actions, "drop="+percent(r.Drop))
	}
	switch {
	case r.DelayMax == 0:
	case r.DelayMin == r.DelayMax:
		actions = append(actions, "delay="+r.DelayMax.String())
	default:
		actions = append(actions, "delay="+r.DelayMin.String()+".."+r.DelayMax.String())
	}
	if r.Reorder > 0 {
		actions = append(actions, "reorder="+percent(r.Reorder))
	}
	if actions == nil { // such a rule exempts its channels from later rules
		actions = []string{"drop=0%"}
	}
	return r.Pattern + ":" + strings.Join(actions, ",")
}

func percent(share float64) string { return strconv.FormatFloat(share*100, 'g', 6, 64) + "%" }

// decision says how to treat one message.
type decision struct {
	pattern   string // of the rule
	drop      bool
	reordered bool
	delay     time.Duration
}

// decide makes a random decision by the first rule that matches.
func decide(rules []Rule, channel string, random *rand.Rand) decision {
	for _, r := range rules {
		if !asgi.MatchName(r.Pattern, channel) {
			continue
		}
		d := decision{pattern: r.Pattern, drop: random.Float64() < r.Drop, reordered: random.Float64() < r.Reorder}
		if r.DelayMax > 0 {
			d.delay = r.DelayMin + time.Duration(random.Int64N(int64(r.DelayMax-r.DelayMin)+1))
		}
		return d
	}
	return decision{}
}
