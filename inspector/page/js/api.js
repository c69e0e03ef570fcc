// Calls to the control server, and the stream of frames.
import { toast } from "./dom.js";

export async function get(path, params) {
  const query = params ? "?" + new URLSearchParams(params) : "";
  return read(await fetch("/api/" + path + query));
}

export async function post(path, body) {
  return read(await fetch("/api/" + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body || {}),
  }));
}

async function read(response) {
  const answer = await response.json().catch(() => ({ detail: response.statusText }));
  if (!response.ok) throw new Error(answer.detail || answer.error || response.statusText);
  return answer;
}

// attempt makes a call and shows how it went.
export async function attempt(call, said) {
  try {
    const answer = await call;
    if (said) toast(typeof said === "function" ? said(answer) : said);
    return answer;
  } catch (error) {
    toast(error.message, true);
    return null;
  }
}

// A Live is the stream of frames for what is shown. It is closed while the
// page is hidden.
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
    const source = new EventSource("/api/live?" + new URLSearchParams(this.params));
    this.source = source;
    let first = true;
    source.onopen = () => { first = true; this.onstate("live"); };
    source.onmessage = (e) => {
      if (source !== this.source) return;
      this.onframe(JSON.parse(e.data), first);
      first = false;
    };
    source.onerror = () => {
      if (source !== this.source) return;
      this.onstate("lost");
      source.close();
      this.timer = setTimeout(() => this.restart(), 1000);
    };
  }
}
