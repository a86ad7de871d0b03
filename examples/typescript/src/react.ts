"use client";

// The React hook: a bounded list of events, and how the connection is.
//
// Options are compared by value and callbacks are taken from the last render, so that objects and functions may be written where the hook
// is called. A burst of events is one render.

import { useCallback, useEffect, useRef, useState } from "react";
import type { ChaincastError } from "./error.js";
import { isEmptyFilter, type Filter } from "./filter.js";
import type { State, SubscribeOptions } from "./options.js";
import { lease, type Listener } from "./shared.js";
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
  /** Each event as it comes, also those that the list no longer holds. */
  readonly onEvent?: (event: EventOf<M>) => void | Promise<void>;
  /** Events are gone: load anew what they would have changed. */
  readonly onGap?: (gap: Gap) => void | Promise<void>;
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
    const show = () => {
      clearTimeout(timer);
      timer = undefined;
      next = { ...next, events: [...next.events, ...gathered].slice(-latest.current.maxEvents) };
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
        if (gathered.length > 2 * latest.current.maxEvents) gathered = gathered.slice(-latest.current.maxEvents);
        change({ lastCursor });
        return latest.current.options.onEvent?.(event as unknown as EventOf<M>);
      },
      gap: (gap) => latest.current.options.onGap?.(gap),
      reconnected: () => latest.current.options.onReconnect?.(),
      state: (state) => change(isConnected(state) ? { state, error: null } : { state }),
      error: (error) => change({ error }),
    };
    clear.current = () => {
      next = { ...next, events: [] };
      gathered = [];
      show();
    };
    // a connection that begins elsewhere than now replays for its own component alone
    const mayShare = options.persist === undefined && (options.from ?? "now") === "now";
    const held = lease(mayShare ? key : `${key} ${++unshared}`, listener, () => subscription(filter, latest));
    next = { ...next, state: held.state };
    setView(next);
    return () => {
      clearTimeout(timer);
      clear.current = () => undefined;
      held.release();
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

function keyOf<M extends object>(filter: Filter, options: StreamEventsOptions<M>): string {
  const { url, from, persist, persistKey, transports, token, getToken, withCredentials, tuning, fetch, EventSource } = options;
  const sorted = [filter.streams, filter.users, filter.topics, filter.types].map((list) => [...new Set(list)].sort());
  const store = typeof persist === "object" ? nameOf(persist) : persist;
  const how = [transports, token, getToken !== undefined, withCredentials, tuning, nameOf(fetch), nameOf(EventSource)];
  return JSON.stringify([url, sorted, filter.all, from, store, persistKey, how]);
}
