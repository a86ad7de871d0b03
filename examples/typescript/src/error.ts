// One class for everything that goes wrong; `fatal` says whether the subscription is over.

import type { Problem } from "./types.js";

export interface ErrorFacts {
  /**
   * The service's code (`unauthorized`, `invalid_parameter` …), a reason of `hub.closing`, or one of this package: `network`, `timeout`,
   * `http`, `token`, `handler`, `malformed`, `storage`, and in React `options`.
   */
  readonly code: string;
  readonly status?: number;
  readonly problem?: Problem;
  readonly retryAfterMs?: number;
  readonly fatal?: boolean;
  readonly cause?: unknown;
}

export class ChaincastError extends Error {
  override readonly name = "ChaincastError";
  readonly code: string;
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** The service's own words. */
  readonly problem: Problem | undefined;
  /** From `Retry-After`. */
  readonly retryAfterMs: number | undefined;
  /** Whether nothing more will come. */
  readonly fatal: boolean;

  constructor(message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = facts.code;
    this.status = facts.status;
    this.problem = facts.problem;
    this.retryAfterMs = facts.retryAfterMs;
    this.fatal = facts.fatal ?? false;
  }

  /** The same, as the end of the subscription. */
  asFatal(): ChaincastError {
    return this.fatal ? this : new ChaincastError(this.message, { ...this, fatal: true });
  }
}

/** An answer that is no success. Only the service itself answers with a problem: what a proxy says may pass. */
export async function errorOf(response: Response): Promise<ChaincastError> {
  const { status } = response;
  let problem: Problem | undefined;
  if (response.headers.get("content-type")?.startsWith("application/problem+json")) {
    problem = (await response.json().catch(() => undefined)) as Problem | undefined;
  } else {
    await response.body?.cancel().catch(() => undefined);
  }
  const passes = problem === undefined || status >= 500 || status === 408 || status === 429;
  return new ChaincastError(problem?.detail ?? problem?.title ?? `HTTP status ${status}`, {
    code: problem?.code ?? "http",
    status,
    problem,
    retryAfterMs: retryAfter(response.headers.get("retry-after")),
    fatal: !passes,
  });
}

/** Seconds or a date (RFC 9110 §10.2.3), as milliseconds from now. */
export function retryAfter(value: string | null, now = Date.now()): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
