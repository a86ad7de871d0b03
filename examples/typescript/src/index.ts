export { subscribe, type Subscription } from "./client.js";
export { ChaincastError } from "./error.js";
export type { Filter, From } from "./filter.js";
export type { EventSourceClass, EventSourceLike, LiveAt, State, SubscribeOptions, TransportKind, Tuning } from "./options.js";
export { SseParser, type SseMessage, type SseSink } from "./sse-parser.js";
export type { CursorStore, Persist } from "./storage.js";
export type { TokenReason } from "./tokens.js";
export type { ChainEvent, ClosingReason, EventMap, EventOf, Gap, Problem } from "./types.js";
