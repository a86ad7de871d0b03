// Events say what has changed; queries are fetched again from where the truth is. An event that comes late or twice then does no harm.

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

export function invalidate(queries: QueryClient, keys: readonly QueryKey[]): void {
  for (const queryKey of keys) void queries.invalidateQueries({ queryKey });
}

/**
 * Follows events and keeps queries fresh. Queries need no `refetchInterval`; give them a long `staleTime`.
 *
 * A reconnect needs nothing: what was missed is replayed, and invalidates what it concerns. Only a gap does.
 */
export function useStreamQueries(options: StreamEventsOptions): StreamEvents {
  const queries = useQueryClient();
  return useStreamEvents({
    ...options,
    onEvent: (event) => {
      // not waited for: a slow query must not hold up events, and a burst asks once per key
      invalidate(queries, staleKeys(event));
      return options.onEvent?.(event);
    },
    onGap: (gap) => {
      invalidate(queries, FAMILIES);
      return options.onGap?.(gap);
    },
  });
}
