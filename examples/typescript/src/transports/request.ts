// One request with a deadline, and its failures in one form.

import { ChaincastError, errorOf } from "../error.js";
import type { Page } from "../types.js";
import type { Attempt } from "./attempt.js";

/** The answer, if it is a success. */
export async function request(attempt: Attempt, url: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (attempt.token !== null) headers.set("Authorization", `Bearer ${attempt.token}`);
  const response = await attempt.fetch(url, {
    ...init,
    headers,
    cache: "no-store",
    credentials: attempt.withCredentials ? "include" : "same-origin",
  });
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** The JSON of a short answer, within the deadline. */
export async function requestJson<T>(attempt: Attempt, url: string, init: RequestInit = {}): Promise<T> {
  const deadline = new AbortController();
  const end = () => deadline.abort();
  const timer = setTimeout(end, attempt.tuning.openTimeoutMs);
  attempt.signal.addEventListener("abort", end);
  if (attempt.signal.aborted) end();
  try {
    const response = await request(attempt, url, { ...init, signal: deadline.signal });
    return (await response.json()) as T;
  } catch (cause) {
    if (deadline.signal.aborted) throw new ChaincastError("the service did not answer in time", { code: "timeout", cause });
    throw toError(cause);
  } finally {
    clearTimeout(timer);
    attempt.signal.removeEventListener("abort", end);
  }
}

export function requestPage(attempt: Attempt): Promise<Page> {
  return requestJson<Page>(attempt, attempt.address("/events", "here", { limit: "500" }));
}

export function toError(cause: unknown): ChaincastError {
  if (cause instanceof ChaincastError) return cause;
  return new ChaincastError("the service cannot be reached", { code: "network", cause });
}
