// Calls to the control server, and the stream of frames.
import { toast } from "./dom.js";

export async function get(path, params) {
  const query = params ? "?" + new URLSearchParams(params) : "";
  return read(await ask("/api/" + path + query));
}

// asWritten keeps numbers that JavaScript would change, like 1.0 and big ones,
// as they were written: JSON.rawJSON, where the browser has it.
export const asWritten = (key, value, context) =>
  typeof value === "number" && JSON.rawJSON && context?.source && String(value) !== context.source ? JSON.rawJSON(context.source) : value;

// exactly is get with numbers as they were written.
export async function exactly(path, params) {
  const query = new URLSearchParams(params);
  return read(await ask("/api/" + path + "?" + query), asWritten);
}

// frameOf reads a frame. Only what waits is shown and edited out of frames, so
// that the many without it cost no more than they must.
const frameOf = (text) => JSON.parse(text, text.includes('"waiting":[{') ? asWritten : undefined);

export async function post(path, body) {
  return read(await ask("/api/" + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body || {}),
  }));
}

async function ask(url, options) {
  try {
    return await fetch(url, options);
  } catch {
    throw Object.assign(new Error("There is no connection to the server. Is asgibox still running?"), { lost: true });
  }
}

async function read(response, reviver) {
  let answer;
  try {
    answer = JSON.parse(await response.text(), reviver);
  } catch {
    answer = { detail: response.statusText || "status " + response.status };
  }
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

// refused makes a call and answers why it was refused: for the check of a
// dialog, which stays and says so.
export async function refused(call) {
  try {
    await call;
  } catch (error) {
    return error.message;
  }
}

// A Live is the stream of frames for what is shown. It is closed while the
// page is hidden, and opened again by itself when it is lost.
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
    const url = "/api/live?" + new URLSearchParams(this.params);
    const source = new EventSource(url);
    this.source = source;
    let first = true;
    source.onopen = () => { first = true; this.onstate("live"); };
    source.onmessage = (e) => {
      if (source !== this.source) return;
      this.onframe(frameOf(e.data), first);
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

// refusal answers why a stream was refused, which an EventSource does not tell.
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
