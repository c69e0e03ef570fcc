// Calls to the control server, and the stream of frames.
import { toast } from "./dom.js";
import { parse } from "./exact.js";

export async function get(path, params) {
  const query = params ? "?" + new URLSearchParams(params) : "";
  return read(await request("api/" + path + query));
}

// getExact is get, but keeps numbers and the order of keys.
export async function getExact(path, params) {
  const query = new URLSearchParams(params);
  return read(await request("api/" + path + "?" + query), parseOnce);
}

let last = {}; // of parseOnce

// parseOnce is parse, but returns the same value if the text is the same again, as that
// of State often is: parse is slow.
function parseOnce(text) {
  if (last.text !== text) last = { text, value: parse(text) };
  return last.value;
}

// parseFrame parses a frame. It keeps numbers and the order of keys only in
// frames with queued messages, because only these are edited and parse is slow.
const parseFrame = (text) => (text.includes('"waiting":[{') ? parse : JSON.parse)(text);

export async function post(path, body) {
  return read(await request("api/" + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body || {}),
  }));
}

async function request(url, options) {
  try {
    return await fetch(url, options);
  } catch {
    throw Object.assign(new Error("No connection to the server. Is asgibox still running?"), { lost: true });
  }
}

async function read(response, parse = JSON.parse) {
  let result;
  try {
    result = parse(await response.text());
  } catch {
    result = { detail: response.statusText || "status " + response.status };
  }
  if (!response.ok) throw new Error(result.detail || result.error || response.statusText);
  return result;
}

// attempt waits for a call, shows a message if it succeeded and the error if
// not, and returns the result or null.
export async function attempt(call, message) {
  try {
    const result = await call;
    if (message) toast(typeof message === "function" ? message(result) : message);
    return result;
  } catch (error) {
    toast(error.message, true);
    return null;
  }
}

// errorOf waits for a call and returns its error message, if any. It serves as
// the check of a dialog.
export async function errorOf(call) {
  try {
    await call;
  } catch (error) {
    return error.message;
  }
}

// Live is the stream of frames for the current view. It is closed while the page
// is hidden and reconnects when the connection is lost.
export class Live {
  constructor(onframe, onstate) {
    this.onframe = onframe;
    this.onstate = onstate;
    document.addEventListener("visibilitychange", () => this.restart());
  }

  show(params) {
    this.params = params;
    this.restart();
  }

  restart() {
    this.source?.close();
    clearTimeout(this.timer);
    if (document.hidden || !this.params) return this.onstate("hidden");
    const url = "api/live?" + new URLSearchParams(this.params);
    const source = new EventSource(url);
    this.source = source;
    let first = true;
    source.onopen = () => { first = true; this.onstate("live"); };
    source.onmessage = (e) => {
      if (source !== this.source) return;
      this.onframe(parseFrame(e.data), first);
      first = false;
    };
    source.onerror = async () => {
      if (source !== this.source) return;
      source.close();
      this.onstate("lost");
      this.timer = setTimeout(() => this.restart(), 1000);
      const why = await refusal(url);
      if (why && source === this.source) this.onstate("lost", why);
    };
  }
}

// refusal returns why a stream was refused. An EventSource does not give the reason.
async function refusal(url) {
  const end = new AbortController();
  try {
    const response = await fetch(url, { signal: end.signal });
    return response.ok ? "" : (await response.json()).detail;
  } catch {
    return "";
  } finally {
    end.abort();
  }
}
