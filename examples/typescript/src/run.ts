// One attempt, as its transport sees it: what it may ask for, and where it brings what it hears.

import { filterQuery, placeQuery } from "./filter.js";
import type { Inbox } from "./inbox.js";
import type { SubscribeOptions, TransportKind, Tuning } from "./options.js";
import type { Receiver } from "./receiver.js";
import type { Attempt } from "./transports/attempt.js";
import type { ClosingReason, Notice, Page } from "./types.js";

export interface RunFacts {
  readonly kind: TransportKind;
  readonly signal: AbortSignal;
  readonly token: string | null;
  /** Whether the token was made for this attempt. */
  readonly isTokenFresh: boolean;
  readonly base: string;
  readonly options: SubscribeOptions;
  readonly tuning: Tuning;
  readonly pollForMs: number;
}

/** What the session makes of it. */
export interface RunEvents {
  opened(): void;
  notice(notice: Notice): void;
  lost(): void;
}

export class Run implements Attempt {
  opened = false;
  closing: ClosingReason | null = null;
  readonly signal: AbortSignal;
  readonly token: string | null;
  readonly isTokenFresh: boolean;
  readonly tuning: Tuning;
  readonly withCredentials: boolean;
  readonly pollForMs: number;
  readonly inbox: Inbox;
  /** Events of pages, until the log's end has been reached. */
  #paged: number | null = 0;

  constructor(
    private readonly facts: RunFacts,
    private readonly receiver: Receiver,
    private readonly events: RunEvents,
  ) {
    this.signal = facts.signal;
    this.token = facts.token;
    this.isTokenFresh = facts.isTokenFresh;
    this.tuning = facts.tuning;
    this.withCredentials = facts.options.withCredentials ?? false;
    this.pollForMs = facts.pollForMs;
    this.inbox = receiver.inbox;
  }

  get cursor(): string | null {
    return this.receiver.received;
  }

  fetch(url: string, init?: RequestInit): Promise<Response> {
    const send = this.facts.options.fetch ?? globalThis.fetch;
    return send(url, init);
  }

  address(path: string, at?: "elsewhere" | "here", more: Readonly<Record<string, string>> = {}): string {
    const { options, base } = this.facts;
    const query = at === undefined ? new URLSearchParams() : filterQuery(options);
    if (at === "here") placeQuery(query, this.receiver.received, options.from ?? "now");
    if (at !== undefined && options.failOnGap) query.set("on_gap", "fail");
    for (const [name, value] of Object.entries(more)) query.set(name, value);
    const text = query.toString();
    return `${base}${path}${text && "?"}${text}`;
  }

  message(data: string, id: string): void {
    if (this.signal.aborted) return;
    const notice = this.receiver.message(data, id);
    if (notice === null) return;
    if (notice.type === "hub.open") this.#open();
    if (notice.type === "hub.closing") this.closing = notice.reason;
    this.events.notice(notice);
  }

  page(page: Page): void {
    if (this.signal.aborted) return;
    const isEnd = this.facts.kind === "polling" && this.#paged !== null && !page.hasMore;
    this.#paged = this.#paged === null ? null : this.#paged + page.events.length;
    this.receiver.page(page, isEnd ? this.#paged : null);
    if (isEnd) this.#paged = null;
    if (!this.opened) this.#open();
  }

  lost(): void {
    this.opened = false;
    this.closing = null;
    this.events.lost();
  }

  #open(): void {
    this.opened = true;
    this.events.opened();
  }
}
