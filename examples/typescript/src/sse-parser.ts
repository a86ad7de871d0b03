// The event stream format (HTML Standard §9.2.6), in whatever pieces it arrives. What a stream ends in the middle of is never handed on.

export interface SseMessage {
  /** The `event` field; `message` without one. */
  readonly event: string;
  readonly data: string;
  /** The last `id` so far, of this block or an earlier one. */
  readonly id: string;
}

export interface SseSink {
  message(message: SseMessage): void;
  /** `retry:`, in milliseconds. */
  retry?(milliseconds: number): void;
}

/** A line longer than this is no event of the service's. */
const MAX_LINE = 1 << 20;

export class SseParser {
  #rest = "";
  #started = false;
  #event = "";
  #data: string[] = [];
  #id: string;

  constructor(
    private readonly sink: SseSink,
    lastId = "",
  ) {
    this.#id = lastId;
  }

  push(text: string): void {
    if (!this.#started && text !== "") {
      this.#started = true;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    const all = this.#rest + text;
    // only the end of what was there already can matter: the rest was searched for line ends before
    const ends = /\r\n|\n|\r(?!$)/g;
    ends.lastIndex = Math.max(0, this.#rest.length - 1);
    let start = 0;
    for (let end = ends.exec(all); end !== null; end = ends.exec(all)) {
      this.#line(all.slice(start, end.index));
      start = ends.lastIndex;
    }
    // a CR at the very end may be half of a CRLF: it waits for what follows
    this.#rest = all.slice(start);
    if (this.#rest.length > MAX_LINE) throw new RangeError("a line of the stream does not end");
  }

  #line(line: string): void {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.sink.retry?.(Number(value));
  }

  #dispatch(): void {
    const message = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    const isEmpty = this.#data.length === 0;
    this.#event = "";
    this.#data = [];
    if (!isEmpty) this.sink.message(message);
  }
}
