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

// A Rule says what happens to messages on some channels. Shares are between 0
// and 1; each message is dropped, else put behind the next one, and delayed,
// by chance and independently.
type Rule struct {
	Pattern            string // of channel names, "*" for any text
	Drop               float64
	Reorder            float64
	DelayMin, DelayMax time.Duration // zero: not delayed
}

// Parse reads a rule as people write it:
//
//	websocket.*:drop=1%,delay=50ms..200ms,reorder=5%
//
// A delay may also be one duration. At least one of the three is given.
func Parse(text string) (Rule, error) {
	pattern, actions, ok := strings.Cut(text, ":")
	if !ok || pattern == "" || actions == "" {
		return Rule{}, ruleError(text, "want PATTERN:drop=1%,delay=50ms..200ms,reorder=5%")
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
		r.Drop, err = share(value)
	case "reorder":
		r.Reorder, err = share(value)
	case "delay":
		r.DelayMin, r.DelayMax, err = span(value)
	default:
		err = fmt.Errorf("no action is named %q: there are drop, delay and reorder", name)
	}
	return err
}

func ruleError(text, reason string) error { return fmt.Errorf("chaos %q: %s", text, reason) }

// share reads "1%" or "0.5%".
func share(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if !percent || err != nil || !(n >= 0 && n <= 100) {
		return 0, fmt.Errorf("%q is no share: want something from 0%% to 100%%", text)
	}
	return n / 100, nil
}

// span reads "50ms..200ms" or "50ms".
func span(text string) (least, most time.Duration, err error) {
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
		return 0, 0, fmt.Errorf("the delay %q does not go from less to more", text)
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
	if actions == nil { // a rule that does nothing keeps wider ones off its channels
		actions = []string{"drop=0%"}
	}
	return r.Pattern + ":" + strings.Join(actions, ",")
}

func percent(share float64) string { return strconv.FormatFloat(share*100, 'g', 6, 64) + "%" }

// fate is what chance decided for one message.
type fate struct {
	pattern string // of the rule
	drop    bool
	aside   bool
	delay   time.Duration
}

// fateOf throws the dice of the first rule that matches.
func fateOf(rules []Rule, channel string, dice *rand.Rand) fate {
	for _, r := range rules {
		if !asgi.MatchName(r.Pattern, channel) {
			continue
		}
		f := fate{pattern: r.Pattern, drop: dice.Float64() < r.Drop, aside: dice.Float64() < r.Reorder}
		if r.DelayMax > 0 {
			f.delay = r.DelayMin + time.Duration(dice.Int64N(int64(r.DelayMax-r.DelayMin)+1))
		}
		return f
	}
	return fate{}
}
