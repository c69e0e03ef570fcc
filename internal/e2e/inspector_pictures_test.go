package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// testReaders tests that Flow shows who reads a channel, and who does not.
func testReaders(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 800))
	p := start(t, chatApp, "--store", "memory", "--udp", "127.0.0.1:0", "--expiry", "1s")
	p.openView(b, "flow")
	b.until(`!!document.querySelector('[data-channel="udp.receive"]')`)
	b.waitForText("Datagrams on 127.0.0.1:")

	lines := `[...document.querySelectorAll(".lines .route.own")].map((r) => r.querySelectorAll("path:not(.inside, .arrow)").length).join()`
	age := `document.querySelector('[data-channel="jobs"] .age')?.textContent`
	p.mustCommand("pause", "jobs") // so that its messages do not expire
	p.mustCommand("send", "jobs", `{"n": 1}`)
	b.until(age + ` === "nobody reads it" && ` + lines + ` === "1"`)
	p.openView(b, "channels")
	b.until(`[...document.querySelectorAll("main tbody tr")].find((r) => r.key === "jobs")?.innerText.includes("nobody reads it")`)
	b.check("an owner is no missing reader", `![...document.querySelectorAll("main tbody tr")].find((r) => r.key.startsWith("asgibox.response."))?.innerText.includes("nobody")`)

	c := p.inBackground("receive", "jobs", "mail")
	p.openView(b, "flow")
	b.until(age + `.startsWith("oldest ") && ` + lines + ` === "2,2"`) // jobs and mail
	b.until(`document.querySelector(".remote")?.innerText.startsWith("127.0.0.1\nasgibox") && document.querySelector(".remote").innerText.includes("waits; no message yet")`)
	b.screenshot("flow-remote")
	p.openView(b, "workers")
	row := `document.querySelector("main section tbody tr")?.innerText`
	for _, want := range []string{"127.0.0.1", "asgibox receive", "jobs", "mail", "waits; no message yet"} {
		b.until(row + `.includes(` + quoteJS(want) + `)`)
	}
	b.screenshot("workers-remote")
	p.mustCommand("resume", "jobs")
	c.waitFor(`"n": ?1`)
	b.until(row + `.includes("last jobs, ")`)
	expectText(t, p.mustCommand("ps"), "127.0.0.1  asgibox receive")

	// A pipe whose reader has gone fades and leaves.
	c = p.inBackground("receive", "box?abc")
	p.openView(b, "flow")
	b.until(`!!document.querySelector('[data-channel="box?"]:not(.gone)')`)
	b.run(`new MutationObserver(() => {
		window.faded ||= document.querySelector('[data-channel="box?"].gone .age')?.textContent;
	}).observe(document.querySelector(".pipes"), { attributes: true, childList: true, subtree: true })`)
	p.mustCommand("send", "box?abc", `{"n": 1}`)
	c.waitFor(`"n": ?1`)
	b.until(`window.faded === "reader has gone"`)
	b.until(`!document.querySelector('[data-channel="box?"]')`)
}

const slowApp = `
def receive_from_a_chat(message):
    sleep(0.4)
    message.reply_channel.send({"text": message["text"]})

def connect(message):
    message.reply_channel.send({"accept": True})

channel_routing = [route("websocket.connect", connect), route("websocket.receive", receive_from_a_chat)]
`

// testLegibility tests that text stays legible and charts are on the first screen.
func testLegibility(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 800))
	p := start(t, slowApp, "--store", "memory")
	s := p.dial("/")
	for i := range 8 {
		p.mustCommand("send", strings.Repeat("x", i+1), `{}`)
	}
	for _, scheme := range []string{"dark", "light"} {
		b.setMedia("prefers-color-scheme", scheme)
		p.openView(b, "flow")
		b.until(`document.querySelectorAll(".cell").length === 16 && document.querySelectorAll(".chart canvas").length === 3`)
		b.check("the charts are on the first screen", `document.querySelector(".charts").getBoundingClientRect().bottom <= 800 && scrollY === 0`)
		b.check("there are no datagrams without --udp", `!document.querySelector('[data-channel="udp.receive"]')`)
		b.run(contrastScript)
		s.exchange("x")
		b.until(`window.seen.has("busy") && window.seen.has("did")`)
		b.until(`!document.querySelector(".cell.busy, .cell.did") && document.getAnimations().length === 0`)
		if worst := evaluate[float64](b, `window.worst`); worst < 4.5 {
			t.Errorf("%s: the contrast of a fading cell is %.2f", scheme, worst)
		}
		// The name in a cell is cut in its middle.
		s.send("x")
		b.until(`(() => {
			const cell = document.querySelector(".cell.busy"), [front, tail] = cell?.querySelectorAll(".cut > span") ?? [];
			return tail?.textContent === "_chat" && tail.getBoundingClientRect().right <= cell.getBoundingClientRect().right && front.clientWidth >= 14 && front.scrollWidth > front.clientWidth;
		})()`)
		b.screenshot("flow-legible-" + scheme)
		s.receive()
	}
	b.do(chromedp.EmulateViewport(400, 800))
	b.check("on a narrow page Flow comes first", `document.querySelector(".stage").getBoundingClientRect().top < document.querySelector(".charts").getBoundingClientRect().top`)
}

// contrastScript measures the worst contrast of the text in cells at every
// refresh of the screen.
const contrastScript = `
	const g = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
	const light = (color) => {
		g.fillStyle = color;
		g.fillRect(0, 0, 1, 1);
		const [r, gr, b] = [...g.getImageData(0, 0, 1, 1).data].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * gr + 0.0722 * b;
	};
	window.worst = 21;
	window.seen = new Set();
	const look = () => {
		for (const cell of document.querySelectorAll(".cell")) {
			const style = getComputedStyle(cell), a = light(style.color), b = light(style.backgroundColor);
			window.worst = Math.min(window.worst, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
			for (const name of cell.classList) window.seen.add(name);
		}
		requestAnimationFrame(look);
	};
	look();
`
