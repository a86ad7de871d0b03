// Which transport comes next.
//
// Streams first. An EventSource that is refused does not say why, so fetch asks again at once. When streams cannot be opened, because a
// proxy buffers them or does not know the route, polling takes over, and a stream is tried again after a while, then less and less often.

import type { TransportKind } from "./options.js";

export class Ladder {
  #index = 0;
  #failures = 0;
  #patience: number;

  constructor(
    private readonly kinds: readonly TransportKind[],
    private readonly pollAfterFailures: number,
    private readonly streamAgainMs: number,
  ) {
    this.#patience = streamAgainMs;
  }

  get current(): TransportKind {
    return this.kinds[this.#index] ?? "polling";
  }

  /** How long to poll before a stream is tried; for ever where there is none to try. */
  get pollForMs(): number {
    return this.kinds.some((kind) => kind !== "polling") ? this.#patience : Infinity;
  }

  opened(): void {
    this.#failures = 0;
    if (this.current !== "polling") this.#patience = this.streamAgainMs;
  }

  /** An attempt that did not open. Answers whether the next one need not wait. */
  failed(isOpaque: boolean): boolean {
    if (this.current === "polling") {
      // neither works: the service is away, and nothing is known of streams
      this.#index = 0;
      this.#failures = 0;
      return false;
    }
    const next = this.kinds[this.#index + 1];
    if (isOpaque && next !== undefined) {
      this.#index += 1;
      return true;
    }
    this.#failures += 1;
    if (this.#failures >= this.pollAfterFailures && this.kinds.includes("polling")) this.#index = this.kinds.indexOf("polling");
    return false;
  }

  /** Polling has lasted long enough: one stream is tried, and a failure leads back at once. */
  tryStream(): void {
    this.#index = 0;
    this.#failures = this.pollAfterFailures - 1;
    this.#patience = Math.min(this.#patience * 2, this.streamAgainMs * 100);
  }
}
