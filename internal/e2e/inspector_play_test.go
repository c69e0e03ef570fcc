package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func testPlayHistory(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, inspectedApp, "--store", "memory")
	p.openView(b, "play")
	// Invalid stored data must not break the page.
	b.run(`for (const [key, value] of [["play.request", "{"], ["play.requests", '[{"method": 1}, null]'], ["play.frames", '{"a": 1}'], ["play.wspath", "7"], ["theme", '"purple"']]) localStorage.setItem(key, value)`)
	p.openView(b, "play")

	request := func(method, path, headers, kind, body, want string) {
		t.Helper()
		b.run(`const [m] = document.querySelectorAll(".play select"); m.value = ` + quoteJS(method))
		b.typeInto(`.play input[aria-label=Path]`, path)
		b.typeInto(`.play form:not(.line) textarea`, headers)
		b.run(`const f = document.querySelector(".play form"); f.querySelector("label select").value = ` + quoteJS(kind) + `; f.querySelectorAll("textarea")[1].value = ` + quoteJS(body) + `; document.querySelector(".answer").replaceChildren()`)
		b.click(`.play form button.primary`)
		b.until(`document.querySelector(".play").innerText.includes(` + quoteJS(want) + `)`)
	}
	request("GET", "/data", "", "text", "", `"markup": "<b>bold</b>"`)
	b.check("JSON is indented", `document.querySelector(".answer pre").textContent.includes("\n  \"list\": [\n    1,\n    2.0\n  ]")`)
	request("GET", "/picture", "", "text", "", "89 50 4e 47 00")
	b.check("the response is not drawn as HTML", `!document.querySelector(".answer :is(b:not(.status), img, script)")`)
	request("POST", "/?x=2", "X-Odd: yes", "hex", "61 62", "POST 2 ab yes")
	request("PUT", "/", "", "base64", "YWJj", "PUT  abc")
	request("PUT", "/", "", "hex", "6", "one is missing")
	request("GET", "/", "no header", "text", "", "Line 1 of the headers is not a header")
	b.typeInto(`.play form:not(.line) textarea`, "")

	// The history survives a reload; its requests can be selected and sent again.
	history := `[...document.querySelectorAll(".past li")].map((l) => l.querySelector("b").textContent + " " + l.querySelector(".path").textContent).join()`
	b.until(history + ` === "PUT /,POST /?x=2,GET /picture,GET /data"`)
	p.openView(b, "play")
	b.until(history + ` === "PUT /,POST /?x=2,GET /picture,GET /data"`)
	b.run(`document.querySelectorAll(".pick")[1].click()`)
	b.check("the form is filled", `document.querySelectorAll(".play form textarea")[0].value === "X-Odd: yes" && document.querySelector(".play form label select").value === "hex"`)
	b.run(`[...document.querySelectorAll(".past li button")].filter((x) => x.textContent === "Send again")[1].click()`)
	b.waitForText("POST 2 ab yes")
	b.run(`document.querySelector(".past li [aria-label^=Delete]").click()`)
	b.until(history + ` === "PUT /,GET /picture,GET /data"`)
	b.clickButton("Delete all…")
	b.clickButton("Delete")
	b.until(`document.querySelector(".past").hidden && !JSON.parse(localStorage.getItem("play.requests")).length`)

	// Several sockets at once.
	b.run(`document.querySelector("[name=number]").value = 3`)
	b.clickButton("Open")
	b.until(`document.querySelectorAll(".socket .tag.good").length === 3`)
	write := func(within, kind, text string) {
		b.run(`const s = document.querySelector(` + quoteJS(within) + `); s.querySelector("select").value = ` + quoteJS(kind) + `; const f = s.querySelector("textarea"); f.focus(); f.value = ` + quoteJS(text))
		b.do(chromedp.KeyEvent(kb.Enter))
	}
	write(".toall", "text", "to all")
	b.until(`[...document.querySelectorAll(".talk")].every((t) => t.innerText.includes("you said to all"))`)
	write(".socket", "hex", "00 01 ff")
	b.until(`document.querySelectorAll(".talk")[0].innerText.split("000000  00 01 ff").length === 3`)
	write(".socket", "base64", "%")
	b.waitForText("This is not base64")
	write(".socket", "base64", "AAIC")
	b.until(`document.querySelectorAll(".talk")[0].innerText.split("00 02 02").length === 3`)

	// Arrow keys select earlier frames of any socket.
	b.run(`document.querySelectorAll(".socket textarea")[1].focus()`)
	b.do(chromedp.KeyEvent(kb.ArrowUp), chromedp.KeyEvent(kb.ArrowUp))
	b.until(`document.activeElement.value === "00 01 ff" && document.activeElement.parentNode.querySelector("select").value === "hex"`)
	b.do(chromedp.KeyEvent(kb.ArrowUp))
	b.until(`document.activeElement.value === "to all"`)
	b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
	b.until(`document.activeElement.value === ""`)

	// The sockets stay open in another view, and close with a code.
	b.run(`location.hash = "#/messages"`)
	b.until(`!!document.querySelector("main .messages")`)
	b.run(`location.hash = "#/play"`)
	b.until(`document.querySelectorAll(".socket .tag.good").length === 3`)
	b.run(`document.querySelector(".socket .code").value = "1001"; document.querySelector(".socket button.danger").click()`)
	b.waitForText("A page can close only with 1000")
	b.run(`document.querySelector(".socket .code").value = "4007"; document.querySelector(".socket button.danger").click()`)
	b.waitForText("closed 4007")
	b.clickButton("Delete history…")
	b.clickButton("Delete")
	b.until(`localStorage.getItem("play.frames") === "[]"`)
}

func testStateAndPlay(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	p.openView(b, "state")
	b.clickButton("Set a key…")
	b.fill("key", "rooms")
	b.fill("value", `["lobby"]`)
	b.clickButton("Set")
	b.waitForText(`["lobby"]`)
	b.clickButton("Set a key…")
	b.fill("key", "exact")
	b.submitInvalid("value", `[1.0`, "The value is not JSON")
	b.submitInvalid("value", `"`+strings.Repeat("x", 2<<20)+`"`, "too large")
	b.fill("value", `[1.0, 9007199254740993, "\uffffAP8="]`)
	b.clickButton("Set")
	row := `[...document.querySelectorAll("main tbody tr")].find((r) => r.textContent.includes("exact"))`
	for range 2 { // the second value is the one that the dialog showed
		b.until(row + `?.textContent.includes("9007199254740993")`)
		b.check("1.0 is shown", `/1\.0\b/.test(`+row+`.textContent)`)
		b.run(row + `.querySelector("button").click()`)
		b.until(`document.querySelector("dialog[open] [name=value]")?.value === ` + quoteJS(`[
  1.0,
  9007199254740993,
  "\\uffffAP8="
]`))
		b.clickButton("Set")
		b.until(`!document.querySelector("dialog[open]")`)
	}

	p.openView(b, "play")
	b.click(`.play form button.primary`)
	b.waitForText("page of GET")
	for range 2 {
		b.run(`document.querySelector(".play form.line button").click()`)
	}
	b.until(`document.querySelectorAll(".socket .tag.good").length === 2`)
	b.run(`{ const s = document.querySelector(".socket"); s.querySelector("textarea").value = "met in a group"; [...s.querySelectorAll("button")].find(x => x.textContent === "Send").click(); }`)
	b.until(`[...document.querySelectorAll(".socket .talk")].every(t => t.innerText.includes("met in a group"))`)
	b.screenshot("inspector-play")
}
