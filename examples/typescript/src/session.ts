// One subscription's life: an attempt after the other, until it is closed or cannot go on.
//
// The loop alone decides: transports and the page only end an attempt, and say why. Nothing that a subscriber is told depends on which
// transport brought it.

import { Backoff } from "./backoff.js";
import { ChaincastError } from "./error.js";
import { filterQuery } from "./filter.js";
import { Ladder } from "./ladder.js";
import { transportsOf, tuningOf, type State, type SubscribeOptions, type TransportKind, type Tuning } from "./options.js";
import { watchPage } from "./page.js";
import { Receiver } from "./receiver.js";
import { Run } from "./run.js";
import { MAX_WAIT_MS, sleep } from "./sleep.js";
import { StoredCursor } from "./storage.js";
import { Tokens } from "./tokens.js";
import type { Ending, Transport } from "./transports/attempt.js";
import { followByEventSource } from "./transports/eventsource.js";
import { followByFetch } from "./transports/fetch.js";
import { followByPolling } from "./transports/polling.js";
import type { ClosingReason, Notice } from "./types.js";

/** Reasons after which the same credential cannot come back. */
const CREDENTIAL_ENDED: ReadonlySet<ClosingReason> = new Set(["expired", "revoked", "superseded"]);

/** What must be waited for because the service said so, and what more for the sake of all. */
interface Pause {
  readonly leastMs: number;
  readonly moreMs: number;
}

export class Session {
  readonly receiver: Receiver;
  readonly #options: SubscribeOptions;
  readonly #base: string;
  readonly #tuning: Tuning;
  readonly #backoff: Backoff;
  readonly #ladder: Ladder;
  readonly #tokens: Tokens;
  readonly #stored: StoredCursor | null;
  readonly #end = new AbortController();
  readonly #unwatch: () => void;
  #state: State = "connecting";
  #wasOpen = false;
  /** Ends the present attempt. */
  #attempt: AbortController | null = null;
  /** Cuts short what is waited beyond what the service asked for. */
  #wait: AbortController | null = null;
  #renewal: ReturnType<typeof setTimeout> | undefined;
  /** Until a connection that was given up on purpose counts as lost. */
  #grace: ReturnType<typeof setTimeout> | undefined;
  #frozen: { promise: Promise<void>; thaw: () => void } | null = null;
  error: ChaincastError | null = null;

  constructor(options: SubscribeOptions) {
    this.#options = options;
    this.#tuning = tuningOf(options.tuning);
    const {
      backoffMinMs: minMs,
      backoffMaxMs: maxMs,
      stableMs,
      pollAfterFailures,
      streamAgainMs,
      maxUnhandled,
      persistEveryMs,
    } = this.#tuning;
    this.#base = (options.url ?? globalThis.location?.origin ?? "").replace(/\/+$/, "");
    this.#backoff = new Backoff({ minMs, maxMs, stableMs });
    this.#ladder = new Ladder(transportsOf(options), pollAfterFailures, streamAgainMs);
    this.#tokens = new Tokens(options.getToken, options.token, this.#tuning.openTimeoutMs, this.#end.signal);
    const key = options.persistKey ?? `${this.#base}?${filterQuery(options)}`;
    const broken = (cause: unknown) => this.#tell(new ChaincastError("the cursor cannot be stored", { code: "storage", cause }));
    this.#stored = options.persist ? new StoredCursor(options.persist, `chaincast:${key}`, persistEveryMs, broken) : null;
    this.receiver = new Receiver(
      options,
      this.#stored?.read() ?? null,
      maxUnhandled,
      (cursor, backwards) => {
        this.#stored?.save(cursor, backwards);
        if (this.#end.signal.aborted) this.#stored?.flush();
      },
      (error) => this.#tell(error),
    );
    this.#unwatch = watchPage({
      leaving: () => this.#stored?.flush(),
      frozen: () => this.#freeze(),
      thawed: () => this.#frozen?.thaw(),
      stirred: () => this.#wait?.abort(),
      online: () => {
        this.#wait?.abort();
        this.#attempt?.abort();
      },
    });
  }

  get state(): State {
    return this.#state;
  }

  get transport(): TransportKind {
    return this.#ladder.current;
  }

  get isClosed(): boolean {
    return this.#end.signal.aborted;
  }

  /** Until the subscription is over. */
  async run(): Promise<void> {
    while (!this.isClosed) {
      await this.#frozen?.promise;
      const pause = await this.#once();
      if (this.isClosed) return;
      if (pause === null) continue;
      this.#become("reconnecting");
      this.#wait = new AbortController();
      await sleep(pause.leastMs, this.#end.signal);
      await sleep(pause.moreMs, this.#wait.signal);
      this.#wait = null;
    }
  }

  close(error: ChaincastError | null = null): void {
    if (this.isClosed) return;
    this.error = error;
    this.#end.abort();
    this.#attempt?.abort();
    this.#wait?.abort();
    clearTimeout(this.#renewal);
    clearTimeout(this.#grace);
    this.#unwatch();
    this.#frozen?.thaw();
    this.receiver.inbox.close();
    this.#stored?.flush();
    this.#become("closed");
    if (error !== null) this.#tell(error);
  }

  /** One attempt. Answers how long to wait before the next; null for not at all. */
  async #once(): Promise<Pause | null> {
    let credential;
    try {
      credential = await this.#tokens.get();
    } catch (cause) {
      if (this.isClosed) return null;
      this.#tell(tokenError(cause));
      return { leastMs: 0, moreMs: this.#backoff.next() };
    }
    if (this.isClosed) return null;
    const kind = this.#ladder.current;
    const controller = new AbortController();
    this.#attempt = controller;
    const run = new Run(
      {
        kind,
        signal: controller.signal,
        token: credential.token,
        isTokenFresh: credential.isFresh,
        base: this.#base,
        options: this.#options,
        tuning: this.#tuning,
        pollForMs: this.#ladder.pollForMs,
      },
      this.receiver,
      {
        opened: () => this.#opened(kind === "polling" ? "polling" : "replaying"),
        notice: (notice) => this.#notice(notice),
        lost: () => {
          clearTimeout(this.#renewal);
          this.#become("reconnecting");
        },
      },
    );
    const ending = await this.#transport(kind)(run);
    clearTimeout(this.#renewal);
    this.#attempt = null;
    if (this.isClosed) return null;
    // most often the next one is there before anyone could see; when it is not, nothing is connected
    if (run.opened && ending.why === "stopped") {
      clearTimeout(this.#grace);
      this.#grace = setTimeout(() => this.#become("reconnecting"), this.#tuning.graceMs);
    }
    return this.#judge(run, ending);
  }

  #transport(kind: TransportKind): Transport {
    if (kind === "fetch") return followByFetch;
    if (kind === "polling") return followByPolling;
    const Source = this.#options.EventSource ?? globalThis.EventSource;
    return followByEventSource(Source);
  }

  #opened(state: State): void {
    this.#ladder.opened();
    this.#backoff.opened();
    clearTimeout(this.#grace);
    const isBack = this.#wasOpen && this.#state === "reconnecting";
    this.#wasOpen = true;
    if (this.#state !== "live" || state === "polling") this.#become(state);
    if (isBack) this.#call(() => this.#options.onReconnect?.());
  }

  #notice(notice: Notice): void {
    if (notice.type === "hub.live") this.#become("live");
    if (notice.type === "hub.closing" && CREDENTIAL_ENDED.has(notice.reason)) this.#attempt?.abort();
    if (notice.type === "hub.expiring" && this.#tokens.canRenew) {
      // somewhere in the first half of what is left, so that those who began together do not all renew at once
      clearTimeout(this.#renewal);
      this.#renewal = setTimeout(() => void this.#renew(), renewAfter(notice.seconds));
    }
  }

  async #renew(): Promise<void> {
    const attempt = this.#attempt;
    try {
      // the same token again would only be told the same again: then it is used up
      if (await this.#tokens.renew()) attempt?.abort();
    } catch (cause) {
      if (!this.isClosed) this.#tell(tokenError(cause));
    }
  }

  #judge(run: Run, ending: Ending): Pause | null {
    const { error, retryMs } = ending;
    // a new token that is refused at once says that another would be too
    const mayRenew = this.#tokens.canRenew && (run.opened || !run.isTokenFresh);
    if (run.closing !== null && CREDENTIAL_ENDED.has(run.closing)) return this.#credentialEnded(run.closing, mayRenew);
    if (ending.why === "stopped") return null;
    if (ending.why === "again") {
      if (this.#ladder.current === "polling") this.#ladder.tryStream();
      return null;
    }
    if (error?.status === 401 && mayRenew) {
      this.#tokens.drop("refused");
      return null;
    }
    if (error?.fatal || error?.status === 401) {
      this.close(error.asFatal());
      return null;
    }
    const leastMs = error?.retryAfterMs ?? retryMs ?? 0;
    if (run.closing !== null && !run.opened)
      this.#tell(new ChaincastError(`the service cannot take us now: ${run.closing}`, { code: run.closing }));
    else if (error && run.closing === null) this.#tell(error);
    if (!run.opened && run.closing === null && this.#ladder.failed(ending.why === "opaque")) return null;
    return { leastMs, moreMs: this.#backoff.next(leastMs) - leastMs };
  }

  #credentialEnded(reason: ClosingReason, mayRenew: boolean): Pause | null {
    if (!mayRenew || reason === "superseded") {
      const advice = reason === "superseded" ? "another connection uses the same ticket" : "a new credential is needed: pass `getToken`";
      this.close(new ChaincastError(`the service ended the stream (${reason}); ${advice}`, { code: reason, fatal: true }));
      return null;
    }
    this.#tokens.drop(reason === "revoked" ? "revoked" : "expired");
    return { leastMs: 0, moreMs: this.#backoff.next() };
  }

  #freeze(): void {
    let thaw = () => undefined as void;
    const promise = new Promise<void>((resolve) => {
      thaw = resolve;
    });
    this.#frozen = {
      promise,
      thaw: () => {
        this.#frozen = null;
        thaw();
      },
    };
    this.#wait?.abort();
    this.#attempt?.abort();
  }

  #become(state: State): void {
    if (state === this.#state || this.#state === "closed") return;
    this.#state = state;
    this.#call(() => this.#options.onStateChange?.(state));
  }

  #tell(error: ChaincastError): void {
    this.#call(() => this.#options.onError?.(error));
  }

  /** A callback that throws is its author's to see, and must not end the loop. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (cause) {
      queueMicrotask(() => {
        throw cause;
      });
    }
  }
}

function tokenError(cause: unknown): ChaincastError {
  return cause instanceof ChaincastError ? cause : new ChaincastError("getToken failed", { code: "token", cause });
}

function renewAfter(seconds: number): number {
  return Math.min(MAX_WAIT_MS, Math.max(250, seconds * 1000 * (0.1 + Math.random() * 0.4)));
}
