"use client";

// The React hook: a bounded list of events, and how the connection is.
//
// Options are compared by value and callbacks are taken from the last render, so that objects and functions may be written where the hook
// is called. A burst of events is one render.

import { useCallback, useEffect, useRef, useState } from "react";
import { ChaincastError } from "./error.js";
import { isEmptyFilter, type Filter } from "./filter.js";
import type { LiveAt, State, SubscribeOptions } from "./options.js";
import { lease, type Lease, type Listener } from "./shared.js";
import type { EventMap, EventOf, Gap } from "./types.js";

type Shared =
  "url" | "from" | "persist" | "persistKey" | "transports" | "getToken" | "token" | "withCredentials" | "tuning" | "fetch" | "EventSource";

export interface StreamEventsOptions<M extends object = EventMap> extends Pick<SubscribeOptions<M>, Shared> {
  readonly streamIds?: readonly string[];
  readonly userPublicKeys?: readonly string[];
  readonly topics?: readonly string[];
  readonly types?: readonly string[];
  readonly all?: boolean;
  /** How many events are kept, 200 unless said; the oldest go. */
  readonly maxEvents?: number;
  /** `false` closes the connection. So does a filter without anything in it: a wallet that is not connected yet. */
  readonly enabled?: boolean;
  /**
   * Who is logged in: another one begins anew, and only components with the same share a connection. With `getToken` and without this,
   * components share one only if they pass the same function.
   */
  readonly identity?: string;
  /** Each event as it comes, also those that the list no longer holds. */
  readonly onEvent?: (event: EventOf<M>) => void | Promise<void>;
  /** Events are gone: load anew what they would have changed. */
  readonly onGap?: (gap: Gap) => void | Promise<void>;
  /** All that was missed has been handed on; `isFirst` the first time of this filter, before which nothing was followed. */
  readonly onLive?: (at: LiveAt & { readonly isFirst: boolean }) => void | Promise<void>;
  readonly onReconnect?: () => void;
}

export interface StreamEvents<M extends object = EventMap> {
  /** Oldest first. */
  readonly events: readonly EventOf<M>[];
  readonly connected: boolean;
  readonly reconnecting: boolean;
  /** What went wrong last; null once connected again. */
  readonly error: ChaincastError | null;
  /** After the last event received; null before. */
  readonly lastCursor: string | null;
  /** Empties the list; the connection stays. */
  readonly clearEvents: () => void;
}

interface View<M extends object> {
  readonly key: string | null;
  readonly events: readonly EventOf<M>[];
  readonly state: State;
  readonly error: ChaincastError | null;
  readonly lastCursor: string | null;
}

/** How long events are gathered before they are shown: a frame. */
const GATHER_MS = 16;

let unshared = 0;

export function useStreamEvents<M extends object = EventMap>(options: StreamEventsOptions<M>): StreamEvents<M> {
  const { maxEvents = 200, enabled = true } = options;
  const filter: Filter = {
    streams: options.streamIds ?? [],
    users: options.userPublicKeys ?? [],
    topics: options.topics ?? [],
    types: options.types ?? [],
    all: options.all ?? false,
  };
  const key = enabled && !isEmptyFilter(filter) ? keyOf(filter, options) : null;
  const latest = useRef({ options, maxEvents });
  const clear = useRef<() => void>(() => undefined);
  const [view, setView] = useState<View<M>>(() => initial<M>(key));

  useEffect(() => {
    latest.current = { options, maxEvents };
  });

  useEffect(() => {
    if (key === null) return;
    let next: View<M> = initial<M>(key);
    let gathered: EventOf<M>[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isFirst = true;
    const show = () => {
      clearTimeout(timer);
      timer = undefined;
      next = { ...next, events: last([...next.events, ...gathered], latest.current.maxEvents) };
      gathered = [];
      setView(next);
    };
    const change = (change: Partial<View<M>>) => {
      next = { ...next, ...change };
      timer ??= setTimeout(show, GATHER_MS);
    };
    const listener: Listener = {
      event: (event, lastCursor) => {
        // typed by whoever wrote the map, as everywhere
        gathered.push(event as unknown as EventOf<M>);
        // a tab in the background may gather for long
        if (gathered.length > 2 * latest.current.maxEvents) gathered = last(gathered, latest.current.maxEvents);
        change({ lastCursor });
        return latest.current.options.onEvent?.(event as unknown as EventOf<M>);
      },
      gap: (gap) => latest.current.options.onGap?.(gap),
      live: (at) => {
        const first = isFirst;
        isFirst = false;
        return latest.current.options.onLive?.({ ...at, isFirst: first });
      },
      reconnected: () => latest.current.options.onReconnect?.(),
      state: (state) => change(isConnected(state) ? { state, error: null } : { state }),
      error: (error) => change({ error }),
    };
    clear.current = () => {
      next = { ...next, events: [] };
      gathered = [];
      show();
    };
    let held: Lease | null = null;
    try {
      held = lease(shareOf(key, options), listener, () => subscription(filter, latest));
      next = { ...next, state: held.state };
    } catch (cause) {
      // options that mean nothing are shown like any other refusal, and do not take the page with them
      const message = cause instanceof Error ? cause.message : String(cause);
      next = { ...next, state: "closed", error: new ChaincastError(message, { code: "options", fatal: true, cause }) };
    }
    setView(next);
    return () => {
      clearTimeout(timer);
      clear.current = () => undefined;
      held?.release();
    };
    // the key says all of the options that matter
  }, [key]);

  const clearEvents = useCallback(() => clear.current(), []);
  // what belongs to another filter is not shown for even one render
  const shown = view.key === key ? view : initial<M>(key);
  return {
    events: shown.events,
    connected: key !== null && isConnected(shown.state),
    reconnecting: key !== null && shown.state === "reconnecting",
    error: shown.error,
    lastCursor: shown.lastCursor,
    clearEvents,
  };
}

/** Not `slice(-count)`, which for none is all. */
function last<T>(list: readonly T[], count: number): T[] {
  return list.slice(Math.max(0, list.length - count));
}

function initial<M extends object>(key: string | null): View<M> {
  return { key, events: [], state: "connecting", error: null, lastCursor: null };
}

const isConnected = (state: State) => state === "live" || state === "replaying" || state === "polling";

function subscription<M extends object>(
  filter: Filter,
  latest: { readonly current: { readonly options: StreamEventsOptions<M> } },
): SubscribeOptions {
  const { url, from, persist, persistKey, transports, getToken, token, withCredentials, tuning, fetch, EventSource } =
    latest.current.options;
  return {
    ...filter,
    url,
    from,
    persist,
    persistKey,
    transports,
    token,
    withCredentials,
    tuning,
    fetch,
    EventSource,
    getToken: getToken && ((why) => (latest.current.options.getToken ?? getToken)(why)),
  };
}

/** Names of what cannot be written as text: equal for the same thing. */
const names = new WeakMap<object, number>();
let named = 0;

function nameOf(thing: object | undefined): number {
  if (thing === undefined) return 0;
  const name = names.get(thing) ?? ++named;
  names.set(thing, name);
  return name;
}

/**
 * What makes a connection another one. `from` does not: it says where to begin, and `since: new Date(…)` is another at every render. Nor
 * does `getToken`, which may be written in place.
 */
function keyOf<M extends object>(filter: Filter, options: StreamEventsOptions<M>): string {
  const { url, persist, persistKey, transports, token, getToken, identity, withCredentials, tuning, fetch, EventSource } = options;
  const sorted = [filter.streams, filter.users, filter.topics, filter.types].map((list) => [...new Set(list)].sort());
  const store = typeof persist === "object" ? nameOf(persist) : persist;
  const how = [transports, token, getToken !== undefined, identity, withCredentials, tuning, nameOf(fetch), nameOf(EventSource)];
  return JSON.stringify([url, sorted, filter.all, store, persistKey, how]);
}

/** Which components join one connection. */
function shareOf<M extends object>(key: string, options: StreamEventsOptions<M>): string {
  const { persist, from, getToken, identity } = options;
  // a connection that begins elsewhere than now replays for its own component alone
  if (persist !== undefined || (from ?? "now") !== "now") return `${key} ${++unshared}`;
  // two functions may speak for two users
  return getToken !== undefined && identity === undefined ? `${key} by ${nameOf(getToken)}` : key;
}
