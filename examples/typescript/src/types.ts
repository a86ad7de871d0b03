// What travels on the wire.

/** `data` by event type: `{ "stream.created": { amount: string } }`. */
export type EventMap = { [type: string]: unknown };

/**
 * An event as the service sends it, and its cursor. Integers of the chain are decimal strings in `data`: use `BigInt(text)`, never
 * `Number`.
 */
export interface ChainEvent<Type extends string = string, Data = unknown> {
  /** Position in the log. */
  readonly seq: number;
  /** Resumes right after this event. */
  readonly cursor: string;
  /** Unique within `source`. */
  readonly id: string;
  readonly source: string;
  readonly type: Type;
  readonly streams?: readonly string[];
  readonly users?: readonly string[];
  readonly topics?: readonly string[];
  readonly key?: string;
  readonly time?: string;
  readonly chain?: string;
  readonly contract?: string;
  readonly block?: { readonly height?: number; readonly hash?: string; readonly time?: string };
  readonly tx?: { readonly hash?: string; readonly index?: number };
  readonly index?: { readonly op?: number; readonly event?: number };
  readonly status?: "pending" | "confirmed" | "final" | "reverted";
  /** The id of the event that this one speaks of, such as the one it reverts. */
  readonly ref?: string | null;
  readonly data: Data;
  readonly receivedAt: string;
}

/** One of the events of `M`, told apart by `type`. What the service sends is not checked against it. */
export type EventOf<M extends object> = { [T in keyof M & string]: ChainEvent<T, M[T]> }[keyof M & string];

/** Events that were asked for and that the log no longer has. */
export interface Gap {
  /** Removed by retention, or numbered anew after the log was set back. */
  readonly reason: "trimmed" | "rewound";
  readonly requested: string;
  readonly resumed: string;
  /** How many places of the log: an upper bound of the events missed. */
  readonly lost: number;
}

/** Why the service ended a stream. */
export type ClosingReason =
  "draining" | "overloaded" | "limited" | "unavailable" | "lagging" | "lifetime" | "expired" | "revoked" | "superseded";

/** What the service says between events, as `names=off` spells it. */
export type Notice =
  | { readonly type: "hub.open"; readonly connection: string; readonly cursor: string; readonly head: string }
  | { readonly type: "hub.live"; readonly cursor: string; readonly replayed: number }
  | { readonly type: "hub.cursor"; readonly cursor: string }
  | ({ readonly type: "hub.gap" } & Gap)
  | { readonly type: "hub.expiring"; readonly expiresAt: string; readonly seconds: number }
  | { readonly type: "hub.closing"; readonly reason: ClosingReason };

/** An answer of `GET /events`. */
export interface Page {
  readonly events: readonly Omit<ChainEvent, "cursor">[];
  readonly hasMore: boolean;
  readonly nextEventId: string;
  readonly gap: Gap | null;
}

/** RFC 9457, as the service answers errors. */
export interface Problem {
  readonly type?: string;
  readonly title?: string;
  readonly status?: number;
  readonly detail?: string;
  readonly code?: string;
  readonly parameter?: string;
  readonly gap?: Gap;
}
