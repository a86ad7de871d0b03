// The one function that an indexer calls:
//
//     stellar.on("StreamCreated", (event) => handleBlockchainEvent({ eventType: "CREATED", streamId: event.stream_id, … }));

import type { BlockchainEvent } from "./events.js";
import { Publisher } from "./publisher.js";

const publisher = new Publisher({
  url: process.env["CHAINCAST_URL"] ?? "http://localhost:3001",
  network: process.env["CHAINCAST_NETWORK"] ?? "stellar:pubnet",
  key: process.env["CHAINCAST_KEY"],
  onRetry: (why, waitMs) => console.warn(`chaincast: ${why}; again in ${Math.round(waitMs)} ms`),
});

/** Kept once the event is durable. */
export function handleBlockchainEvent(event: BlockchainEvent): Promise<void> {
  return publisher.handleBlockchainEvent(event);
}
