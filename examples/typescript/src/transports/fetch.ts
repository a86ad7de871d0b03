// A stream read with fetch: sees headers, statuses and heartbeats, and slows the service down by not reading.

import { ChaincastError } from "../error.js";
import { SseParser } from "../sse-parser.js";
import type { Attempt, Ending } from "./attempt.js";
import { request, toError } from "./request.js";

export async function followByFetch(attempt: Attempt): Promise<Ending> {
  const link = new AbortController();
  let retryMs: number | undefined;
  let isSilent = false;
  const end = () => link.abort();
  const silence = () => {
    isSilent = true;
    link.abort();
  };
  let watchdog = setTimeout(silence, attempt.tuning.openTimeoutMs);
  attempt.signal.addEventListener("abort", end);
  if (attempt.signal.aborted) end();

  const read = async (): Promise<Ending> => {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    const { cursor } = attempt;
    if (cursor !== null) headers["Last-Event-ID"] = cursor;
    const url = attempt.address("/events/subscribe", cursor === null ? "here" : "elsewhere", { names: "off" });
    const response = await request(attempt, url, { headers, signal: link.signal });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      throw new ChaincastError("what answered is no event stream", { code: "http", status: response.status });
    }
    // an old React Native has no bodies that can be read in pieces
    if (!response.body) return { why: "opaque" };
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const parser = new SseParser(
      {
        message: ({ data, id }) => attempt.message(data, id),
        retry: (milliseconds) => {
          retryMs = milliseconds;
        },
      },
      cursor ?? "",
    );
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parser.push(decoder.decode(value, { stream: true }));
      // what comes before hub.open, such as a proxy's own comments, is no life
      const hasSpoken = attempt.opened || attempt.closing !== null;
      if (hasSpoken) clearTimeout(watchdog);
      // what is not read stays with the service, which counts us as slow and loses nothing
      if (attempt.inbox.isFull) await attempt.inbox.room();
      if (attempt.signal.aborted) break;
      if (hasSpoken) watchdog = setTimeout(silence, attempt.tuning.idleTimeoutMs);
    }
    return { why: "dropped" };
  };

  try {
    return finish(attempt, await read(), retryMs);
  } catch (cause) {
    const error = isSilent
      ? new ChaincastError("the stream says nothing: something on the way may hold it back", { code: "timeout", cause })
      : toError(cause);
    return finish(attempt, { why: attempt.opened && (isSilent || error.code === "network") ? "dropped" : "failed", error }, retryMs);
  } finally {
    clearTimeout(watchdog);
    attempt.signal.removeEventListener("abort", end);
    link.abort();
  }
}

function finish(attempt: Attempt, ending: Ending, retryMs: number | undefined): Ending {
  if (attempt.signal.aborted) return { why: "stopped" };
  const hasSpoken = attempt.opened || attempt.closing !== null;
  if (ending.why === "dropped" && !hasSpoken) {
    const error = new ChaincastError("the stream ended before it began", { code: "network" });
    return { why: "failed", error };
  }
  return retryMs === undefined ? ending : { ...ending, retryMs };
}
