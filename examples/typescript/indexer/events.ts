// What a contract said, as chaincast events.
//
// **An event's id comes from the chain**: network and place in it. Whoever publishes the same again, after a crash or from
// genesis, publishes a duplicate, which changes nothing.

export type EventType = "CREATED" | "TOPPED_UP" | "WITHDRAWN" | "CANCELLED" | "COMPLETED";

/** Where an event stands: by the chain's own name for it, such as the `id` of a Stellar RPC server, or by its place in its transaction. */
export type Place = { readonly place: string } | { readonly place?: undefined; readonly eventIndex: number };

/** One event of a streaming-payments contract. Amounts are decimal strings: an i128 does not fit into a number. */
export type BlockchainEvent = Facts & Place;

interface Facts {
  readonly eventType: EventType;
  readonly streamId: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly tokenAddress?: string;
  readonly amount?: string;
  readonly contract?: string;
  readonly txHash: string;
  readonly ledger: number;
  readonly ledgerHash?: string;
  readonly ledgerClosedAt?: string;
  /** What else the event carries, passed on as it is. */
  readonly details?: Readonly<Record<string, string>>;
}

/** A body of `POST /events`. */
export interface Publication {
  readonly id: string;
  readonly type: string;
  readonly streams: readonly string[];
  readonly users?: readonly string[];
  readonly key: string;
  readonly time?: string;
  readonly chain: string;
  readonly contract?: string;
  readonly block: { readonly hash?: string; readonly height: number; readonly time?: string };
  readonly tx: { readonly hash: string };
  readonly index?: { readonly event: number };
  readonly status: "confirmed" | "final" | "reverted";
  readonly ref?: string;
  readonly data: Readonly<Record<string, string>>;
}

/** Fails to compile when a kind is forgotten. */
const TYPES: Readonly<Record<EventType, string>> = {
  CREATED: "stream.created",
  TOPPED_UP: "stream.topped_up",
  WITHDRAWN: "stream.withdrawn",
  CANCELLED: "stream.cancelled",
  COMPLETED: "stream.completed",
};

/** Where chains reorganise, the block belongs to the id: a transaction may come again in another. */
function idOf(event: BlockchainEvent, network: string): string {
  const block = event.ledgerHash === undefined ? "" : `${event.ledgerHash}:`;
  const place = event.place ?? `${event.txHash}:${event.eventIndex}`;
  return `${network}:${block}${place}`;
}

/** `network` is a CAIP-2 id, such as `stellar:pubnet`. */
export function toPublication(event: BlockchainEvent, network: string): Publication {
  const { sender, recipient, tokenAddress, amount, details, ledgerHash: hash, ledgerClosedAt: time } = event;
  const users = [...new Set([sender, recipient].filter((user) => user !== undefined))];
  const data: Record<string, string> = { stream_id: event.streamId, ...details };
  for (const [name, value] of Object.entries({ sender, recipient, token_address: tokenAddress, amount })) {
    if (value !== undefined) data[name] = value;
  }
  // members in the order of ../../indexer
  return {
    id: idOf(event, network),
    type: TYPES[event.eventType],
    streams: [event.streamId],
    ...(users.length === 0 ? {} : { users }),
    key: `stream/${event.streamId}`,
    ...(time === undefined ? {} : { time }),
    chain: network,
    ...(event.contract === undefined ? {} : { contract: event.contract }),
    block: { ...(hash === undefined ? {} : { hash }), height: event.ledger, ...(time === undefined ? {} : { time }) },
    tx: { hash: event.txHash },
    ...(event.place === undefined ? { index: { event: event.eventIndex } } : {}),
    // a closed Stellar ledger is not reorganised
    status: hash === undefined ? "final" : "confirmed",
    // in an order: the service compares content as it was sent, here and above
    data: Object.fromEntries(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** That an event has never been: its block was left by the chain. An event of its own, which names the first. */
export function toReversal(event: BlockchainEvent, network: string): Publication {
  const { data, ...publication } = toPublication(event, network);
  return { ...publication, id: `${publication.id}#reverted`, status: "reverted", ref: publication.id, data };
}
