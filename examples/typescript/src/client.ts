// What a program holds: a subscription with callbacks, or one to iterate over.

import { ChaincastError } from "./error.js";
import { check, type State, type SubscribeOptions, type TransportKind } from "./options.js";
import { Session } from "./session.js";
import type { EventMap, EventOf } from "./types.js";

export interface Subscription<M extends object = EventMap> extends AsyncIterable<EventOf<M>> {
  readonly state: State;
  /** What is in use, or tried next. */
  readonly transport: TransportKind;
  /** After the last event that was handled; null before the first connection. */
  readonly cursor: string | null;
  /** Kept when it is over, with what ended it, or null after `close()`. */
  readonly closed: Promise<ChaincastError | null>;
  close(): void;
}

/**
 * Follows events until it is closed.
 *
 * With `onEvent`, events go there. Without it, iterate: `for await (const event of subscribe({ … }))`; an event counts as handled when the
 * next one is asked for, and leaving the loop closes the subscription.
 *
 * @throws TypeError when the options cannot mean anything.
 */
export function subscribe<M extends object = EventMap>(options: SubscribeOptions<M>): Subscription<M> {
  check(options as unknown as SubscribeOptions);
  const queue = options.onEvent ? null : new Turnstile<EventOf<M>>();
  const onEvent = options.onEvent ?? ((event: EventOf<M>) => queue?.offer(event));
  const { signal } = options;
  // from here on events are what the service sends; their types are claimed by whoever wrote the map
  const session = new Session({ ...options, onEvent } as unknown as SubscribeOptions);
  const close = () => session.close();
  signal?.addEventListener("abort", close);
  if (signal?.aborted) close();
  const closed = session.run().then(() => {
    signal?.removeEventListener("abort", close);
    queue?.close(session.error);
    return session.error;
  });
  return {
    get state() {
      return session.state;
    },
    get transport() {
      return session.transport;
    },
    get cursor() {
      return session.receiver.handled;
    },
    closed,
    close,
    [Symbol.asyncIterator]() {
      if (queue === null) throw new TypeError("events go to `onEvent`: leave it out to iterate");
      return queue.iterator(close);
    },
  };
}

/** Hands one event at a time to whoever iterates. */
class Turnstile<T> {
  #offered: { event: T; taken: () => void } | null = null;
  #handled: (() => void) | null = null;
  #asking: { resolve: (result: IteratorResult<T>) => void; reject: (cause: unknown) => void } | null = null;
  #over: { error: ChaincastError | null } | null = null;

  /** Until it has been handled. */
  offer(event: T): Promise<void> {
    return new Promise((taken) => {
      this.#offered = { event, taken };
      this.#pass();
    });
  }

  close(error: ChaincastError | null): void {
    this.#over = { error };
    this.#pass();
  }

  iterator(close: () => void): AsyncIterator<T> {
    return {
      next: () => {
        if (this.#asking !== null) return Promise.reject(new TypeError("ask for the next event when the last has come"));
        this.#handled?.();
        this.#handled = null;
        return new Promise((resolve, reject) => {
          this.#asking = { resolve, reject };
          this.#pass();
        });
      },
      return: () => {
        close();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #pass(): void {
    const asking = this.#asking;
    if (asking === null) return;
    if (this.#offered !== null && this.#over === null) {
      const { event, taken } = this.#offered;
      this.#offered = null;
      this.#handled = taken;
      this.#asking = null;
      asking.resolve({ done: false, value: event });
    } else if (this.#over !== null) {
      this.#asking = null;
      if (this.#over.error === null) asking.resolve({ done: true, value: undefined });
      else asking.reject(this.#over.error);
    }
  }
}
