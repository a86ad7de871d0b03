// One connection for all components that ask for the same: browsers allow six to a host over HTTP/1.1.

import { subscribe } from "./client.js";
import { ChaincastError } from "./error.js";
import type { LiveAt, State, SubscribeOptions } from "./options.js";
import type { ChainEvent, Gap } from "./types.js";

export interface Listener {
  event(event: ChainEvent, cursor: string): void | Promise<void>;
  gap(gap: Gap): void | Promise<void>;
  live(at: LiveAt): void | Promise<void>;
  reconnected(): void;
  state(state: State): void;
  error(error: ChaincastError): void;
}

export interface Lease {
  readonly state: State;
  release(): void;
}

interface Shared {
  readonly listeners: Set<Listener>;
  readonly subscription: { readonly state: State; close(): void };
  closing: ReturnType<typeof setTimeout> | undefined;
}

const all = new Map<string, Shared>();

/**
 * Joins the connection of that key, or makes it. It is closed a moment after its last listener has gone: React may be about to mount again.
 */
export function lease(key: string, listener: Listener, options: () => SubscribeOptions): Lease {
  const shared = all.get(key) ?? open(key, options());
  clearTimeout(shared.closing);
  shared.listeners.add(listener);
  return {
    get state() {
      return shared.subscription.state;
    },
    release: () => {
      shared.listeners.delete(listener);
      if (shared.listeners.size > 0) return;
      clearTimeout(shared.closing);
      shared.closing = setTimeout(() => {
        if (all.get(key) === shared) all.delete(key);
        shared.subscription.close();
      }, 0);
    },
  };
}

function open(key: string, options: SubscribeOptions): Shared {
  const listeners = new Set<Listener>();
  // a component whose callback throws is told of it, and takes nothing from the others
  const toAll = (tell: (listener: Listener) => void | Promise<void>) => {
    const pending: Promise<void>[] = [];
    for (const listener of [...listeners]) {
      const failed = (cause: unknown) => listener.error(new ChaincastError("a callback threw", { code: "handler", cause }));
      try {
        const done = tell(listener);
        if (done !== undefined) pending.push(Promise.resolve(done).catch(failed));
      } catch (cause) {
        failed(cause);
      }
    }
    return pending.length === 0 ? undefined : Promise.all(pending).then(() => undefined);
  };
  const subscription = subscribe({
    ...options,
    onEvent: (event) => toAll((listener) => listener.event(event, event.cursor)),
    onGap: (gap) => toAll((listener) => listener.gap(gap)),
    onLive: (at) => toAll((listener) => listener.live(at)),
    onReconnect: () => void toAll((listener) => listener.reconnected()),
    onStateChange: (state) => {
      // what is over is joined by nobody: the next component begins anew
      if (state === "closed" && all.get(key) === shared) all.delete(key);
      void toAll((listener) => listener.state(state));
    },
    onError: (error) => void toAll((listener) => listener.error(error)),
  });
  const shared: Shared = { listeners, subscription, closing: undefined };
  all.set(key, shared);
  return shared;
}
