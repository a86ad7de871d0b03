// Events of FlowFi's stream contract, as `getEvents` of a Stellar RPC server answers them with `topic` and `value` decoded.

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
  const {
    sender,
    recipient,
    token_address: tokenAddress,
    stream_id: _,
    deposited_amount,
    amount = deposited_amount,
    ...details
  } = event.value;
  return {
    eventType,
    streamId,
    sender,
    recipient,
    tokenAddress,
    amount,
    details,
    contract: event.contractId,
    txHash: event.txHash,
    ledger: event.ledger,
    ledgerClosedAt: event.ledgerClosedAt,
    eventIndex: Number(event.id.split("-")[1]),
  };
}
