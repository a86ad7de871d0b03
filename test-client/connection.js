// One subscription at a time, over its losses: connects, tells frames and states, comes back from the last cursor, or stops when refused.
//
// Two readers. `fetch` sees the delay that the service asks for and sends the token in a header. `EventSource` is what most pages use: it hides
// the delay, and since it has no headers, a ticket stands for the token.

import { get, hasToken, headers } from "./credential.js";
import { parsed } from "./json.js";
import { parser } from "./sse.js";
import { closing } from "./words.js";

const LONGEST_WAIT_MS = 30_000;
const SHORTEST_WAIT_MS = 250;
const USUAL_WAIT_MS = 3000;
/** However long the service wants one to stay away, and whatever it meant: a person sees a countdown that ends. */
const MOST_ASKED_MS = 3_600_000;
/** Three of the usual heartbeats: a network that is gone without a word looks like a quiet stream. */
const SILENCE_MS = 45_000;

/** What a `Retry-After` asks for, in milliseconds: seconds or a date; 0 if it is neither. */
export function delay(text, now = Date.now()) {
  const asked = /^\s*\d+\s*$/.test(text ?? "") ? Number(text) * 1000 : Date.parse(text) - now;
  return Math.min(MOST_ASKED_MS, Math.max(0, asked || 0));
}

/** The address of a subscription, readable: what is legal in a query stays as it is. */
export function address(pairs) {
  const encode = (s) => encodeURIComponent(s).replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/'/g, "%27");
  return new URL(`events/subscribe?${pairs.map(([name, value]) => `${name}=${encode(value)}`).join("&")}`, document.baseURI).href;
}

export class Connection {
  /** What every frame with an id moves; it outlives a disconnect. */
  cursor = "";
  /** One of `off`, `connecting`, `replaying`, `live`, `waiting`, `refused`. */
  phase = "off";

  #told;
  #asked; // the pairs and the reader of this subscription
  #turn = 0; // what belongs to an earlier one is ignored
  #end = () => {};
  #clock = null;
  #wait = USUAL_WAIT_MS;
  #losses = 0; // in a row, without a frame between them
  #moved = false; // the cursor is of this subscription, not of the one before
  #because = ""; // the connection ended, or will
  #patience = SILENCE_MS;

  /** `told.state(text, tone, because)`, `told.frame(frame)`, `told.refused(problem)`. */
  constructor(told) {
    this.#told = told;
    // a connection from before is of a network that may be another by now, and can be silent for long
    addEventListener("online", () => {
      if (this.on) this.#try();
    });
  }

  get on() {
    return !["off", "refused"].includes(this.phase);
  }

  /** Subscribes anew. */
  connect(pairs, reader) {
    this.#asked = { pairs, reader };
    this.#losses = 0;
    this.#wait = USUAL_WAIT_MS;
    this.#moved = false;
    this.#because = "";
    this.#patience = SILENCE_MS;
    this.#try();
  }

  disconnect() {
    this.#stop();
    this.#because = "";
    this.#state("off", this.cursor ? "disconnected" : "not connected");
  }

  /** Instead of waiting on. */
  now() {
    if (this.phase === "waiting") this.#try();
  }

  #state(phase, text, tone = "") {
    this.phase = phase;
    this.#told.state(text, tone, this.#because);
  }

  #stop() {
    this.#turn++;
    this.#end();
    this.#end = () => {};
    clearTimeout(this.#clock);
  }

  #try() {
    this.#stop();
    this.#state("connecting", "connecting", "busy");
    const { pairs, reader } = this.#asked;
    if (reader === "eventsource") this.#listen(pairs, this.#turn);
    else this.#read(pairs, this.#turn);
  }

  /** A frame, with its type where the reader knows it. */
  #frame(frame) {
    this.#losses = 0;
    if (frame.id) {
      this.cursor = frame.id;
      this.#moved = true;
    }
    const control = this.#told.frame(frame);
    if (control?.type === "hub.open") this.#state("replaying", "replaying", "busy");
    else if (control?.type === "hub.live") this.#state("live", "live", "ok");
    else if (control?.type === "hub.expiring") this.#state(this.phase, `token ends in ${control.body.seconds} s`, "bad");
    else if (control?.type === "hub.closing") {
      this.#because = closing(control.body.reason);
      this.#state(this.phase, "closing", "busy");
    }
  }

  async #read(pairs, turn) {
    const abort = new AbortController();
    let watch;
    const heard = () => {
      clearTimeout(watch);
      watch = setTimeout(silent, this.#patience);
    };
    const silent = () => {
      this.#because = `nothing was heard for ${Math.round(this.#patience / 1000)} s`;
      // a service whose heartbeats are rarer is found out
      this.#patience *= 2;
      abort.abort();
    };
    this.#end = () => {
      clearTimeout(watch);
      abort.abort();
    };
    heard();
    const asked = { Accept: "text/event-stream", ...(this.#moved ? { "Last-Event-ID": this.cursor } : {}) };
    try {
      const response = await fetch(address(pairs), { headers: headers(asked), cache: "no-store", signal: abort.signal });
      if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
        const body = parsed(await response.text());
        if (turn === this.#turn) this.#refused(response.status, body, delay(response.headers.get("Retry-After")));
        return;
      }
      this.#because = "";
      heard();
      const feed = parser({
        frame: (frame) => turn === this.#turn && this.#frame(frame),
        retry: (milliseconds) => { this.#wait = milliseconds; },
      });
      const decoder = new TextDecoder();
      const body = response.body.getReader();
      for (let piece = await body.read(); !piece.done && turn === this.#turn; piece = await body.read()) {
        heard();
        feed(decoder.decode(piece.value, { stream: true }));
      }
    } catch { /* lost, or the service is away: comes back below */ }
    if (turn !== this.#turn) return;
    this.#because ||= this.phase === "connecting" ? "the service is out of reach" : "the connection was lost";
    this.#again();
  }

  async #listen(pairs, turn) {
    const plain = [...pairs, ["names", "off"]];
    // one that is made anew repeats no header
    if (this.#moved) {
      const start = plain.findIndex(([name]) => name === "last_event_id" || name === "since");
      if (start >= 0) plain.splice(start, 1);
      plain.push(["last_event_id", this.cursor]);
    }
    let ticket = [];
    if (hasToken()) {
      const { status, body } = await ask("events/tickets", { method: "POST" });
      if (turn !== this.#turn) return;
      if (status !== 201) return this.#refused(status, body, 0);
      ticket = [["ticket", body.ticket]];
    }
    const source = new EventSource(address([...plain, ...ticket]));
    this.#end = () => source.close();
    source.onopen = () => {
      clearTimeout(this.#clock);
      this.#because = "";
    };
    source.onmessage = (message) => {
      const frame = { event: "", data: message.data, id: message.lastEventId };
      // EventSource repeats the last id on a frame without one
      if (frame.id === this.cursor && /"type":"hub\.(closing|expiring)"/.test(frame.data)) frame.id = undefined;
      this.#frame(frame);
    };
    source.onerror = async () => {
      if (source.readyState === EventSource.CONNECTING) return this.#lost();
      // it has given up and does not say why
      source.close();
      const { status, body } = await ask(address(plain), {});
      if (turn === this.#turn) this.#refused(status, body, 0);
    };
  }

  /** The browser comes back by itself, after the delay that it was told and does not show. */
  #lost() {
    if (this.phase === "waiting") return;
    const since = Date.now();
    this.#because ||= "the connection was lost, and the browser comes back by itself";
    this.#tick(() => this.#state("waiting", `lost ${Math.round((Date.now() - since) / 1000)} s ago`, "busy"));
  }

  /** After the service's delay, doubled with each loss in a row. */
  #again(least = 0) {
    this.#stop();
    const wait = Math.max(least, SHORTEST_WAIT_MS, Math.min(LONGEST_WAIT_MS, this.#wait * 2 ** this.#losses++));
    const due = Date.now() + wait;
    this.#tick(() => {
      const left = Math.ceil((due - Date.now()) / 1000);
      if (left <= 0) this.#try();
      else this.#state("waiting", `reconnecting in ${left} s`, "busy");
    });
  }

  #tick(show) {
    clearTimeout(this.#clock);
    const turn = () => {
      this.#clock = setTimeout(turn, 250);
      show();
    };
    turn();
  }

  /** Stops for good, or comes back when it will have passed. */
  #refused(status, body, wait) {
    if (status < 400 || status >= 500 || status === 429 || status === 408) {
      const said = body?.detail ?? body?.title;
      this.#because = status ? `the service answered ${status}${said ? `: ${said}` : ""}` : "the service is out of reach";
      return this.#again(wait);
    }
    this.#because = "";
    this.#stop();
    this.#state("refused", `refused: ${status}`, "bad");
    this.#told.refused({ status, ...body });
  }
}

/** The answer's status, 0 out of reach, and its body; a stream is not read. */
async function ask(target, options) {
  const abort = new AbortController();
  try {
    const response = await get(target, { ...options, signal: abort.signal });
    const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
    return { status: response.status, body: isStream ? undefined : parsed(await response.text()) };
  } catch {
    return { status: 0 };
  } finally {
    abort.abort();
  }
}
