// How long to wait before the next attempt.
//
// Full jitter: anything between nothing and a bound that doubles, so that those whom one failure cut off do not come back together. What
// the service asked for (`retry:`, which it jitters itself, or `Retry-After`) is the least.

export interface BackoffOptions {
  /** The first bound. */
  readonly minMs: number;
  /** The last. */
  readonly maxMs: number;
  /** How long a connection must have held for the next failure to count as the first. */
  readonly stableMs: number;
}

export class Backoff {
  #failures = 0;
  #openedAt: number | null = null;

  constructor(
    private readonly options: BackoffOptions,
    private readonly random: () => number = Math.random,
    private readonly now: () => number = Date.now,
  ) {}

  opened(): void {
    this.#openedAt = this.now();
  }

  /** The wait after a connection that is over, or never was. */
  next(askedMs = 0): number {
    const { minMs, maxMs, stableMs } = this.options;
    if (this.#openedAt !== null && this.now() - this.#openedAt >= stableMs) this.#failures = 0;
    const wasOpen = this.#openedAt !== null;
    this.#openedAt = null;
    const bound = Math.min(maxMs, minMs * 2 ** Math.min(this.#failures, 30));
    const isFirst = this.#failures === 0;
    this.#failures += 1;
    // the service has jittered what it asked for: a stream that it ended itself comes back when it said
    if (isFirst && wasOpen && askedMs > 0) return askedMs;
    return askedMs + this.random() * bound;
  }
}
