// Events say what has changed; queries are fetched again from where the truth is. An event that comes late or twice then does no harm.

import { useMemo } from "react";
import { useQueryClient, type QueryClient, type QueryKey } from "@tanstack/react-query";
import { useStreamEvents, type StreamEvents, type StreamEventsOptions } from "chaincast-client/react";
import type { ChainEvent } from "chaincast-client";

/** The query keys that an event makes stale. A key covers all that begin with it. */
export function staleKeys(event: Pick<ChainEvent, "type" | "streams" | "users">): QueryKey[] {
  const keys: QueryKey[] = [];
  for (const id of event.streams ?? []) keys.push(["stream", id]);
  for (const user of event.users ?? []) keys.push(["streams", user]);
  if (event.type.startsWith("proposal.")) keys.push(["proposals"]);
  return keys;
}

/** All that events could have changed: when some are gone, nobody knows which. */
const FAMILIES: readonly QueryKey[] = [["stream"], ["streams"], ["proposals"]];

/** How long keys are gathered: each invalidation asks again, and a burst says the same many times. */
const GATHER_MS = 100;
/** More than so many are as good as all. */
const MAX_KEYS = 1000;

/** Answers what takes keys, and makes stale what has gathered once in a while. */
export function gather(queries: QueryClient): (keys: readonly QueryKey[]) => void {
  const gathered = new Map<string, QueryKey>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const pass = () => {
    timer = undefined;
    const keys = gathered.size > MAX_KEYS ? FAMILIES : [...gathered.values()];
    gathered.clear();
    for (const queryKey of keys) invalidate(queries, queryKey);
  };
  return (keys) => {
    if (gathered.size <= MAX_KEYS) for (const key of keys) gathered.set(JSON.stringify(key), key);
    timer ??= setTimeout(pass, GATHER_MS);
  };
}

function invalidate(queries: QueryClient, queryKey: QueryKey): void {
  // a query under way for the first time is not begun anew: what it brings may be older than the event, so it is asked once more
  const isFirst = queries.isFetching({ queryKey, predicate: ({ state }) => state.data === undefined }) > 0;
  const asked = queries.invalidateQueries({ queryKey });
  void asked.then(() => (isFirst ? queries.invalidateQueries({ queryKey }) : undefined));
}

/**
 * Follows events and keeps queries fresh. Queries need no `refetchInterval`; give them a long `staleTime`.
 *
 * A reconnect needs nothing: what was missed is replayed, and invalidates what it concerns. A gap does, and so does the beginning: queries
 * are asked when the page is shown, and events are followed from a moment later.
 */
export function useStreamQueries(options: StreamEventsOptions): StreamEvents {
  const queries = useQueryClient();
  const stale = useMemo(() => gather(queries), [queries]);
  return useStreamEvents({
    ...options,
    onEvent: (event) => {
      // not waited for: a slow query must not hold up events
      stale(staleKeys(event));
      return options.onEvent?.(event);
    },
    onGap: (gap) => {
      stale(FAMILIES);
      return options.onGap?.(gap);
    },
    onLive: (at) => {
      if (at.isFirst) stale(FAMILIES);
      return options.onLive?.(at);
    },
  });
}
