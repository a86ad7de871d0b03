// What a transport is given, and how it ends. A transport brings what the service says; what that means, and what comes next, is the
// session's.

import type { ChaincastError } from "../error.js";
import type { Tuning } from "../options.js";
import type { ClosingReason, Page } from "../types.js";

export interface Attempt {
  /** Ends the attempt: the subscription is closed, the page put away, or the credential about to be changed. */
  readonly signal: AbortSignal;
  readonly token: string | null;
  readonly tuning: Tuning;
  readonly withCredentials: boolean;
  /** For polling: after how long a stream is to be tried. */
  readonly pollForMs: number;
  /** Whether the service has begun to answer: `hub.open`, or a page. */
  readonly opened: boolean;
  /** What `hub.closing` said on the present connection. */
  readonly closing: ClosingReason | null;
  readonly inbox: { readonly isFull: boolean; room(): Promise<void>; empty(): Promise<void> };

  fetch(url: string, init?: RequestInit): Promise<Response>;
  /** An address of the service; with `at`, with the filter, and with where to go on if that is `here`. */
  address(path: string, at?: "elsewhere" | "here", more?: Readonly<Record<string, string>>): string;
  readonly cursor: string | null;
  /** A block of a stream. Throws when it is none of the service's. */
  message(data: string, id: string): void;
  page(page: Page): void;
  /** An EventSource has lost its connection and comes back by itself. */
  lost(): void;
}

/**
 * - `dropped`: a stream that was open, or refused in words, is over
 * - `failed`: it never opened, and `error` says why
 * - `opaque`: it never opened, and nobody says why
 * - `stopped`: by the signal
 * - `again`: nothing is wrong, begin again
 */
export interface Ending {
  readonly why: "dropped" | "failed" | "opaque" | "stopped" | "again";
  readonly error?: ChaincastError;
  /** The last `retry:`. */
  readonly retryMs?: number;
}

export type Transport = (attempt: Attempt) => Promise<Ending>;
