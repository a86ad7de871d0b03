// What a contract said, as chaincast events.
//
// **An event's id comes from the chain**: network, transaction and place within it. Whoever publishes the same again, after a crash or from
// genesis, publishes a duplicate, which changes nothing.

export type EventType = "CREATED" | "TOPPED_UP" | "WITHDRAWN" | "CANCELLED" | "COMPLETED";

/** One event of a streaming-payments contract. Amounts are decimal strings: an i128 does not fit into a number. */
export interface BlockchainEvent {
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
  /** Place within the transaction. */
  readonly eventIndex: number;
  /** What else the event carries, passed on as it is. */
  readonly details?: Readonly<Record<string, string>>;
}

/** A body of `POST /events`. */
export interface Publication {
  readonly id: string;
  readonly type: string;
  readonly streams: readonly string[];
  readonly users: readonly string[];
  readonly key: string;
  readonly time?: string;
  readonly chain: string;
  readonly contract?: string;
  readonly block: { readonly height: number; readonly hash?: string };
  readonly tx: { readonly hash: string };
  readonly index: { readonly event: number };
  readonly status: "confirmed" | "reverted";
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
  return `${network}:${block}${event.txHash}:${event.eventIndex}`;
}

/** `network` is a CAIP-2 id, such as `stellar:pubnet`. */
export function toPublication(event: BlockchainEvent, network: string): Publication {
  const { sender, recipient, tokenAddress, amount, details } = event;
  const data: Record<string, string> = { stream_id: event.streamId, ...details };
  for (const [name, value] of Object.entries({ sender, recipient, token_address: tokenAddress, amount })) {
    if (value !== undefined) data[name] = value;
  }
  return {
    id: idOf(event, network),
    type: TYPES[event.eventType],
    streams: [event.streamId],
    users: [...new Set([sender, recipient].filter((user) => user !== undefined))],
    key: `stream/${event.streamId}`,
    ...(event.ledgerClosedAt === undefined ? {} : { time: event.ledgerClosedAt }),
    chain: network,
    ...(event.contract === undefined ? {} : { contract: event.contract }),
    block: { height: event.ledger, ...(event.ledgerHash === undefined ? {} : { hash: event.ledgerHash }) },
    tx: { hash: event.txHash },
    index: { event: event.eventIndex },
    status: "confirmed",
    data,
  };
}

/** That an event has never been: its block was left by the chain. An event of its own, which names the first. */
export function toReversal(event: BlockchainEvent, network: string): Publication {
  const publication = toPublication(event, network);
  return { ...publication, id: `${publication.id}#reverted`, status: "reverted", ref: publication.id };
}
