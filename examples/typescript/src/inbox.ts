// What has been received and not yet handled, in order and bounded.
//
// **The handled cursor never overtakes the handler**: it moves when the handler's promise has been kept, so what is stored across page
// loads can repeat an event after a crash, and can lose none.

export interface Item {
  /** The place in the log once this is handled. */
  readonly cursor: string | null;
  /** Whether the log itself was set back to that place. */
  readonly backwards?: boolean;
  readonly act?: () => void | Promise<void>;
}

export class Inbox {
  readonly #items: Item[] = [];
  #busy = false;
  #closed = false;
  #waiting: (() => void)[] = [];

  constructor(
    private readonly capacity: number,
    private readonly handled: (cursor: string, backwards: boolean) => void,
    private readonly failed: (cause: unknown) => void,
  ) {}

  get isFull(): boolean {
    return this.#items.length >= this.capacity;
  }

  push(item: Item): void {
    if (this.#closed) return;
    this.#items.push(item);
    if (!this.#busy) void this.#work();
  }

  /** Once there is room again, or nothing is taken any more. */
  room(): Promise<void> {
    return this.#until(() => !this.isFull);
  }

  /** Once nothing waits any more: for those to whom stopping and going on is dear. */
  empty(): Promise<void> {
    return this.#until(() => this.#items.length === 0);
  }

  close(): void {
    this.#closed = true;
    this.#items.length = 0;
    this.#wake();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (!this.#closed) {
      const item = this.#items.shift();
      if (item === undefined) break;
      try {
        const done = item.act?.();
        // waited for only if there is something to wait for: a burst is then handled in one go
        if (done !== undefined) await done;
      } catch (cause) {
        this.failed(cause);
      }
      if (item.cursor !== null) this.handled(item.cursor, item.backwards ?? false);
      if (!this.isFull && this.#waiting.length > 0) this.#wake();
    }
    this.#busy = false;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#closed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
