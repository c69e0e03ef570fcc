package pages

import (
	"slices"
	"strings"
)

// policies are the policies of the headers Content-Security-Policy of a response.
// A browser obeys all of them.
type policies []policy

// A policy maps directives, in lower case, to their sources.
type policy map[string][]string

// parsePolicies parses the value of a header, which may have several policies.
func parsePolicies(value string) (all policies) {
	for text := range strings.SplitSeq(value, ",") {
		p := policy{}
		for directive := range strings.SplitSeq(text, ";") {
			words := strings.Fields(directive)
			if len(words) == 0 {
				continue
			}
			name := strings.ToLower(words[0])
			if _, repeated := p[name]; !repeated { // browsers use the first
				p[name] = words[1:]
			}
		}
		all = append(all, p)
	}
	return all
}

// permitScript reports whether a script of the page's own origin may run and send
// requests to that origin. The script needs the nonce unless it is empty.
func (all policies) permitScript() (nonce string, ok bool) {
	candidates := []string{""}
	for _, p := range all {
		for _, source := range p.first("script-src-elem", "script-src", "default-src") {
			if rest, ok := strings.CutPrefix(source, "'nonce-"); ok {
				candidates = append(candidates, strings.TrimSuffix(rest, "'"))
			}
		}
	}
	for _, nonce := range candidates {
		if !slices.ContainsFunc(all, func(p policy) bool { return !p.permits(nonce) }) {
			return nonce, true
		}
	}
	return "", false
}

// permits reports whether the policy lets the script with that nonce run and send
// requests.
func (p policy) permits(nonce string) bool {
	if p["sandbox"] != nil {
		return false // the page may have another origin
	}
	scripts := p.first("script-src-elem", "script-src", "default-src")
	byNonce := nonce != "" && slices.Contains(scripts, "'nonce-"+nonce+"'")
	strict := slices.ContainsFunc(scripts, func(s string) bool { return strings.EqualFold(s, "'strict-dynamic'") })
	return (byNonce || !strict && hasSelf(scripts)) && hasSelf(p.first("connect-src", "default-src"))
}

// first returns the sources of the first of the directives that the policy has, or
// a source that permits everything.
func (p policy) first(directives ...string) []string {
	for _, name := range directives {
		if sources, ok := p[name]; ok {
			return sources
		}
	}
	return []string{"*"}
}

// hasSelf reports whether sources include the page's own origin. It may miss an
// origin that is written out.
func hasSelf(sources []string) bool {
	return slices.ContainsFunc(sources, func(s string) bool { return s == "*" || strings.EqualFold(s, "'self'") })
}
