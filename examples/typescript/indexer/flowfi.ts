// Events of FlowFi's stream contract, as `getEvents` of a Stellar RPC server answers them with `topic` and `value` decoded. What is
// published is what ../../indexer publishes: whichever of the two runs, an event stands once.

import type { BlockchainEvent, EventType } from "./events.js";

export interface RpcEvent {
  readonly id: string;
  readonly ledger: number;
  readonly ledgerClosedAt: string;
  readonly contractId: string;
  readonly txHash: string;
  readonly inSuccessfulContractCall: boolean;
  readonly topic: readonly string[];
  readonly value: Readonly<Record<string, string>>;
  /** What an indexer of a chain that reorganises adds. */
  readonly blockHash?: string;
  readonly removed?: boolean;
}

const TYPES: Readonly<Record<string, EventType>> = {
  stream_created: "CREATED",
  stream_topped_up: "TOPPED_UP",
  tokens_withdrawn: "WITHDRAWN",
  stream_cancelled: "CANCELLED",
  stream_completed: "COMPLETED",
};

/** Null for what is none of the five, or has failed. */
export function fromRpc(event: RpcEvent): BlockchainEvent | null {
  const [name = "", streamId] = event.topic;
  const eventType = TYPES[name];
  if (eventType === undefined || streamId === undefined || !event.inSuccessfulContractCall) return null;
  const { sender, recipient } = event.value;
  return {
    eventType,
    streamId,
    sender,
    recipient,
    // the contract's own names: whoever publishes the same event publishes the same
    details: event.value,
    contract: event.contractId,
    txHash: event.txHash,
    ledger: event.ledger,
    ledgerHash: event.blockHash,
    ledgerClosedAt: event.ledgerClosedAt,
    place: event.id,
  };
}
