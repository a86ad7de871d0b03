// What a subscription can be told, and what it takes when it is not.

import type { ChaincastError } from "./error.js";
import { isEmptyFilter, type Filter, type From } from "./filter.js";
import type { Persist } from "./storage.js";
import { isToken, type TokenReason } from "./tokens.js";
import type { EventMap, EventOf, Gap } from "./types.js";

export type TransportKind = "eventsource" | "fetch" | "polling";

/** `connecting` before the first connection; `replaying` and `live` with a stream; `polling` without; `closed` for good. */
export type State = "connecting" | "replaying" | "live" | "polling" | "reconnecting" | "closed";

/** The part of the browser's EventSource that is used; npm's `eventsource` has it too. */
export interface EventSourceLike {
  readonly readyState: number;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  close(): void;
}
export type EventSourceClass = new (url: string, init?: { withCredentials?: boolean }) => EventSourceLike;

/** Times in milliseconds. */
export interface Tuning {
  /** First and last bound of the wait between attempts, and after how long a connection counts as good. */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly stableMs: number;
  /** Within which a stream must have said `hub.open`, and a request or `getToken` been answered. */
  readonly openTimeoutMs: number;
  /** How long making a connection anew, for a token or a network that came back, may take before the state says so. */
  readonly graceMs: number;
  /** How long a fetched stream may be silent; the service sends something every 15 s. */
  readonly idleTimeoutMs: number;
  /** After how long without an event an EventSource, which cannot see heartbeats, is compared with the log. */
  readonly quietMs: number;
  /** After how many streams that could not be opened polling takes over. */
  readonly pollAfterFailures: number;
  readonly pollEveryMs: number;
  /** After how long of polling a stream is tried again; doubled each time it fails, up to a hundredfold. */
  readonly streamAgainMs: number;
  /** Events received and not handled yet, at which reading stops. */
  readonly maxUnhandled: number;
  /** How often a cursor is written to its store at most. */
  readonly persistEveryMs: number;
}

const DEFAULT_TUNING: Tuning = {
  backoffMinMs: 1000,
  backoffMaxMs: 30_000,
  stableMs: 10_000,
  openTimeoutMs: 10_000,
  graceMs: 1000,
  idleTimeoutMs: 45_000,
  quietMs: 60_000,
  pollAfterFailures: 2,
  pollEveryMs: 3000,
  streamAgainMs: 5000,
  maxUnhandled: 1000,
  persistEveryMs: 500,
};

/** The end of a replay, and how many events it had. */
export interface LiveAt {
  readonly cursor: string;
  readonly replayed: number;
}

export interface SubscribeOptions<M extends object = EventMap> extends Filter {
  /** The service's address, `https://events.example.com`; without it, where the page came from. */
  readonly url?: string;
  /** Where to begin when no cursor is stored; `now` unless said. */
  readonly from?: From;
  /** Where the cursor is kept across page loads; nowhere unless said. */
  readonly persist?: Persist;
  /** The entry's name; made of address and filter unless said. Name the user in it where several share a browser. */
  readonly persistKey?: string;
  /** Which transports to use, best first; EventSource, fetch and polling unless said, without EventSource where there is none. */
  readonly transports?: readonly TransportKind[];
  /** Answers a token, within `tuning.openTimeoutMs`. Called at first, shortly before the last one ends, and when one was refused. */
  readonly getToken?: (why: TokenReason) => string | Promise<string>;
  /** A token that never changes. */
  readonly token?: string;
  /** Sends cookies to another origin too. */
  readonly withCredentials?: boolean;
  /** Ends with an error instead of going on when events are gone. */
  readonly failOnGap?: boolean;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
  readonly tuning?: Partial<Tuning>;
  /** Instead of the global ones. */
  readonly fetch?: typeof fetch;
  readonly EventSource?: EventSourceClass;

  /**
   * One event after the other: the next waits for the promise, and the cursor moves when it is kept. An error that it throws goes to
   * `onError`, and the event counts as handled.
   */
  readonly onEvent?: (event: EventOf<M>) => void | Promise<void>;
  /** Events are gone: fetch anew what they would have changed. In order with events. */
  readonly onGap?: (gap: Gap) => void | Promise<void>;
  /** All that was missed has been handed on. In order with events. */
  readonly onLive?: (at: LiveAt) => void | Promise<void>;
  /** Connected again after a loss; what was missed follows. */
  readonly onReconnect?: () => void;
  readonly onStateChange?: (state: State) => void;
  /** What went wrong; `error.fatal` says that the subscription is over. */
  readonly onError?: (error: ChaincastError) => void;
}

/** Longer than anyone waits, and short enough for a timer: beyond 2^31 ms one goes off at once. */
const LONGEST_MS = 1e9;

export function tuningOf(given: Partial<Tuning> = {}): Tuning {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_TUNING, ...Object.fromEntries(entries.map(([name, value]) => [name, Math.min(value, LONGEST_MS)])) };
}

/** What options mean nothing for sure; whether they mean something, the service says. */
export function check(options: SubscribeOptions): void {
  const { url, from, token, tuning } = options;
  if (isEmptyFilter(options)) throw new TypeError("nothing is asked for: give streams, users, topics or types, or all: true");
  transportsOf(options);
  const page = globalThis.location?.href;
  if (url === undefined && page === undefined) throw new TypeError("`url` is missing: outside a page, say where the service is");
  if (!/^https?:\/\/[^/]/.test(addressOf(url ?? page, page))) {
    throw new TypeError(`\`url\` is no address of a service: ${JSON.stringify(url)}; it is like https://events.example.com`);
  }
  const since = typeof from === "object" ? from.since : undefined;
  if (since instanceof Date && Number.isNaN(since.getTime())) throw new TypeError("`from.since` is no time");
  if (token !== undefined && !isToken(token))
    throw new TypeError("`token` is no token: there are others than A-Z a-z 0-9 . _ ~ + / - = in it");
  const least = Object.entries(tuningOf(tuning)).find(([name, value]) => !(value >= (name === "maxUnhandled" ? 1 : 0)));
  if (least !== undefined) throw new TypeError(`\`tuning.${least[0]}\` cannot be ${least[1]}`);
}

function addressOf(url: string | undefined, page: string | undefined): string {
  try {
    return new URL(url ?? "", page).href;
  } catch {
    return "";
  }
}

/** What this platform has, best first. */
export function transportsOf(options: Pick<SubscribeOptions, "transports" | "EventSource">): readonly TransportKind[] {
  const hasEventSource = (options.EventSource ?? globalThis.EventSource) !== undefined;
  const kinds = options.transports ?? (hasEventSource ? ["eventsource", "fetch", "polling"] : ["fetch", "polling"]);
  if (kinds.length === 0) throw new TypeError("`transports` names none: leave it out, or name eventsource, fetch or polling");
  if (kinds.includes("eventsource") && !hasEventSource) {
    throw new TypeError("there is no EventSource here: pass one as `EventSource` (npm package eventsource), or use fetch");
  }
  return kinds;
}
