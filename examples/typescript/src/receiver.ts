// What the service says, turned into what the subscriber is told.
//
// **No event is handed on twice**: one that lies at or before the last of its epoch is dropped, whichever transport brings it. `received`
// is where the next connection goes on; `handled` is what the handler has finished, and what is stored.

import { isPast, parseCursor } from "./cursor.js";
import { ChaincastError } from "./error.js";
import { Inbox } from "./inbox.js";
import type { SubscribeOptions } from "./options.js";
import type { ChainEvent, EventMap, EventOf, Gap, Notice, Page } from "./types.js";

export type Callbacks = Pick<SubscribeOptions, "onEvent" | "onGap" | "onLive">;

export class Receiver {
  readonly inbox: Inbox;
  received: string | null;
  handled: string | null;

  constructor(
    private readonly callbacks: Callbacks,
    start: string | null,
    maxUnhandled: number,
    private readonly onHandled: (cursor: string, backwards: boolean) => void,
    onFailed: (error: ChaincastError) => void,
  ) {
    this.received = start;
    this.handled = start;
    this.inbox = new Inbox(
      maxUnhandled,
      (cursor, backwards) => {
        this.handled = cursor;
        this.onHandled(cursor, backwards);
      },
      (cause) => onFailed(new ChaincastError("a callback threw", { code: "handler", cause })),
    );
  }

  /** A block of a stream; a notice is answered, for what else it means. */
  message(data: string, id: string): Notice | null {
    const value = parse(data);
    if (!isNotice(value)) {
      if (parseCursor(id) === null) throw malformed();
      this.#event({ ...value, cursor: id });
      return null;
    }
    switch (value.type) {
      case "hub.gap":
        this.#gap(value);
        break;
      case "hub.live":
        this.#live(value);
        break;
      case "hub.open":
        // the first place of all; later ones follow what was handed on
        if (id !== "" && this.received === null) this.#move(id);
        break;
      case "hub.cursor":
        this.#move(id);
        break;
      default:
    }
    return value;
  }

  /** A page of the log; with `replayed` it is the end of a replay, of so many events. */
  page(page: Page, replayed: number | null): void {
    if (!Array.isArray(page.events) || parseCursor(page.nextEventId) === null) throw malformed();
    if (page.gap !== null) this.#gap(page.gap);
    const epoch = parseCursor(page.nextEventId)?.epoch;
    for (const event of page.events) this.#event({ ...event, cursor: `${epoch}-${event.seq}` });
    this.#move(page.nextEventId);
    if (replayed !== null) this.#live({ cursor: page.nextEventId, replayed });
  }

  #event(event: ChainEvent): void {
    if (isPast(event.cursor, this.received)) return;
    this.received = event.cursor;
    // whether the data is what the map says is for whoever wrote the map
    this.inbox.push({ cursor: event.cursor, act: () => this.callbacks.onEvent?.(event as EventOf<EventMap>) });
  }

  #gap({ reason, requested, resumed, lost }: Gap): void {
    this.received = resumed;
    const act = () => this.callbacks.onGap?.({ reason, requested, resumed, lost });
    this.inbox.push({ cursor: resumed, backwards: reason === "rewound", act });
  }

  #live({ cursor, replayed }: { cursor: string; replayed: number }): void {
    this.#move(cursor);
    this.inbox.push({ cursor: null, act: () => this.callbacks.onLive?.({ cursor, replayed }) });
  }

  #move(cursor: string): void {
    if (parseCursor(cursor) === null || isPast(cursor, this.received)) return;
    this.received = cursor;
    this.inbox.push({ cursor });
  }
}

function parse(data: string): ({ readonly type: string } & Omit<ChainEvent, "cursor">) | Notice {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (cause) {
    throw malformed(cause);
  }
  const type = (value as { type?: unknown } | null)?.type;
  if (typeof type !== "string") throw malformed();
  return value as ChainEvent | Notice;
}

function isNotice(value: { readonly type: string }): value is Notice {
  return value.type.startsWith("hub.");
}

const malformed = (cause?: unknown) =>
  new ChaincastError("what came is nothing that chaincast says: is `url` right?", { code: "malformed", cause });
