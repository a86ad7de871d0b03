// From an indexer's callbacks into chaincast: gathered into batches, sent again until acknowledged, in order.
//
// **Nothing is lost and nothing is there twice**: the checkpoint moves when a batch has been acknowledged, which means durable; whoever
// begins again at the checkpoint sends some events a second time, under the same ids.

import { setTimeout as sleep } from "node:timers/promises";
import { toPublication, toReversal, type BlockchainEvent, type Publication } from "./events.js";

export interface PublisherOptions {
  readonly url: string;
  /** CAIP-2, such as `stellar:pubnet`: part of every id. */
  readonly network: string;
  /** A key: `chaincast keys create --name indexer --publish-types 'stream.*'`. */
  readonly key?: string;
  /** Where the indexer is to begin again: called with the last ledger of whose events all are durable. */
  readonly onCheckpoint?: (ledger: number) => void | Promise<void>;
  /** What is tried again, and why. */
  readonly onRetry?: (why: string, waitMs: number) => void;
  /** Events of one request; the service takes 1000. */
  readonly maxBatch?: number;
  /** Events that wait; at that, `handleBlockchainEvent` waits too. */
  readonly maxWaiting?: number;
  readonly timeoutMs?: number;
  readonly backoffMinMs?: number;
  readonly backoffMaxMs?: number;
  readonly signal?: AbortSignal;
}

/** The service refuses an event for what it is: publishing it again would not help. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  constructor(
    readonly status: number,
    readonly problem: string,
  ) {
    super(`chaincast refused a batch with ${status}: ${problem}`);
  }
}

interface Waiting {
  readonly publication: Publication;
  readonly ledger: number;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
}

export class Publisher {
  readonly #waiting: Waiting[] = [];
  #blocked: (() => void)[] = [];
  #sending = false;
  #refused: unknown = null;
  #lastLedger = 0;

  constructor(private readonly options: PublisherOptions) {}

  /** Kept once the event is durable; also a duplicate is. Call it in the order of the chain. What `onCheckpoint` throws is thrown here. */
  async handleBlockchainEvent(event: BlockchainEvent): Promise<void> {
    await this.#publish(toPublication(event, this.options.network), event.ledger);
  }

  /** The chain has left the event's block. */
  async handleReversal(event: BlockchainEvent): Promise<void> {
    await this.#publish(toReversal(event, this.options.network), event.ledger);
  }

  /** Once another event can be taken: for those who do not wait until each is durable. */
  async room(): Promise<void> {
    const { maxWaiting = 10_000 } = this.options;
    while (this.#refused === null && this.#waiting.length >= maxWaiting) await new Promise<void>((resolve) => this.#blocked.push(resolve));
    // what came after a refused event must not overtake it
    if (this.#refused !== null) throw this.#refused;
  }

  async #publish(publication: Publication, ledger: number): Promise<void> {
    await this.room();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ publication, ledger, resolve, reject });
      if (!this.#sending) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#sending = true;
    // all that is handed over in this turn becomes one batch
    await Promise.resolve();
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.slice(0, this.options.maxBatch ?? 500);
        await this.#send(batch.map(({ publication }) => publication));
        this.#waiting.splice(0, batch.length);
        try {
          await this.#checkpoint(batch);
          for (const { resolve } of batch) resolve();
        } catch (cause) {
          // durable all the same; a checkpoint that stayed behind makes duplicates at worst, and the next one goes past it
          for (const { reject } of batch) reject(cause);
        }
        for (const resolve of this.#blocked.splice(0)) resolve();
      }
    } catch (cause) {
      this.#refused = cause;
      for (const { reject } of this.#waiting.splice(0)) reject(cause);
      for (const resolve of this.#blocked.splice(0)) resolve();
    }
    this.#sending = false;
  }

  /** A ledger may have more events than have come yet: it is done when one of a later ledger is. */
  async #checkpoint(batch: readonly Waiting[]): Promise<void> {
    const before = this.#lastLedger;
    for (const { ledger } of batch) this.#lastLedger = Math.max(this.#lastLedger, ledger);
    if (before > 0 && this.#lastLedger > before) await this.options.onCheckpoint?.(this.#lastLedger - 1);
  }

  async #send(batch: readonly Publication[]): Promise<void> {
    const { backoffMinMs = 500, backoffMaxMs = 30_000, onRetry, signal } = this.options;
    // the same bytes each time: content is compared as it was sent
    const body = JSON.stringify(batch);
    for (let failures = 0; ; failures++) {
      const outcome = await this.#attempt(body);
      if (outcome === null) return;
      const more = Math.random() * Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(failures, 20));
      // beyond 2^31 ms a timer goes off at once
      const waitMs = Math.min(outcome.askedMs + more, 3_600_000);
      onRetry?.(outcome.why, waitMs);
      await sleep(waitMs, undefined, signal === undefined ? {} : { signal });
    }
  }

  /** Null once acknowledged; else why it is to be sent again. Throws when that would not help. */
  async #attempt(body: string): Promise<{ why: string; askedMs: number } | null> {
    const { url, key, timeoutMs = 10_000, signal } = this.options;
    signal?.throwIfAborted();
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (key !== undefined) headers["Authorization"] = `Bearer ${key}`;
    try {
      const response = await fetch(`${url}/events`, { method: "POST", headers, body, signal: AbortSignal.timeout(timeoutMs) });
      const text = await response.text();
      if (response.ok) return null;
      if (![408, 429].includes(response.status) && response.status < 500) throw new RefusedError(response.status, text);
      return { why: `status ${response.status}`, askedMs: Number(response.headers.get("retry-after") ?? 0) * 1000 || 0 };
    } catch (cause) {
      if (cause instanceof RefusedError) throw cause;
      // perhaps it was stored and only the answer was lost: sent again, it is a duplicate
      return { why: cause instanceof Error ? cause.message : String(cause), askedMs: 0 };
    }
  }
}
