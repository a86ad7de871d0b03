// What a subscription asks for, and how that is written into an address.

export interface Filter {
  /** Events that concern these streams … */
  readonly streams?: readonly string[];
  /** … or these users … */
  readonly users?: readonly string[];
  /** … or are filed under these topics: `market.price.CF1-001`, `proposal.*`, `market.**`. */
  readonly topics?: readonly string[];
  /** Only these kinds of them (`stream.*`); alone, everything of these kinds. */
  readonly types?: readonly string[];
  /** Everything that the caller may see. */
  readonly all?: boolean;
}

/** Where to begin without a cursor: now, with the oldest event kept, after a cursor, or at a time. */
export type From = "now" | "earliest" | (string & {}) | { readonly since: Date | string };

const LISTS = ["streams", "users", "topics", "types"] as const;

export function isEmptyFilter(filter: Filter): boolean {
  return !filter.all && LISTS.every((name) => (filter[name] ?? []).length === 0);
}

/** The filter as query parameters: equal for filters that ask for the same. */
export function filterQuery(filter: Filter): URLSearchParams {
  const query = new URLSearchParams();
  if (filter.all) query.append("all", "true");
  for (const name of LISTS) {
    for (const value of [...new Set(filter[name] ?? [])].sort()) query.append(name, value);
  }
  return query;
}

/** Adds where to begin: the cursor, if there is one. */
export function placeQuery(query: URLSearchParams, cursor: string | null, from: From): URLSearchParams {
  if (cursor !== null) query.set("last_event_id", cursor);
  else if (typeof from === "string") query.set("last_event_id", from);
  else query.set("since", typeof from.since === "string" ? from.since : from.since.toISOString());
  return query;
}
