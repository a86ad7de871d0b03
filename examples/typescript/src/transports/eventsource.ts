// The platform's EventSource.
//
// It comes back by itself after a stream that was open, when the service said (`retry:`), which only it can see. A connection that never
// opened is closed, and the session decides. It cannot send headers: a token is exchanged for a ticket first. It cannot see heartbeats:
// when nothing has come for long, one page of the log tells whether something should have.

import { ChaincastError } from "../error.js";
import type { EventSourceClass } from "../options.js";
import type { Attempt, Ending } from "./attempt.js";
import { requestJson, requestPage, toError } from "./request.js";

const CLOSED = 2;

export function followByEventSource(Source: EventSourceClass): (attempt: Attempt) => Promise<Ending> {
  return async (attempt) => {
    const more: Record<string, string> = { names: "off" };
    if (attempt.token !== null) {
      try {
        more["ticket"] = (await requestJson<{ ticket: string }>(attempt, attempt.address("/events/tickets"), { method: "POST" })).ticket;
      } catch (cause) {
        return attempt.signal.aborted ? { why: "stopped" } : { why: "failed", error: toError(cause) };
      }
    }
    if (attempt.signal.aborted) return { why: "stopped" };
    return new Promise<Ending>((resolve) =>
      follow(new Source(attempt.address("/events/subscribe", "here", more), init(attempt)), attempt, resolve),
    );
  };
}

const init = (attempt: Attempt) => ({ withCredentials: attempt.withCredentials });

function follow(source: InstanceType<EventSourceClass>, attempt: Attempt, resolve: (ending: Ending) => void): void {
  const { openTimeoutMs, quietMs, backoffMaxMs } = attempt.tuning;
  let isOver = false;
  let isFull = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = (ending: Ending) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    source.close();
    attempt.signal.removeEventListener("abort", stop);
    resolve(ending);
  };
  const stop = () => end({ why: "stopped" });
  attempt.signal.addEventListener("abort", stop);

  const awaitOpening = (besidesMs = 0) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const error = new ChaincastError("the stream says nothing: something on the way may hold it back", { code: "timeout" });
      end({ why: "failed", error });
    }, besidesMs + openTimeoutMs);
  };
  const awaitSilence = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void compare(), quietMs);
  };
  const compare = async () => {
    try {
      const { cursor } = attempt;
      const page = await requestPage(attempt);
      // what came meanwhile shows that the stream lives
      if (isOver || attempt.cursor !== cursor) return;
      if (page.events.length === 0 && page.gap === null) return awaitSilence();
      attempt.page(page);
      end({ why: "dropped" });
    } catch {
      end({ why: "dropped" });
    }
  };

  awaitOpening();
  source.onopen = () => {
    if (!attempt.opened) awaitOpening();
  };
  source.onmessage = ({ data, lastEventId }: { data: string; lastEventId: string }) => {
    // some hand on the rest of what they have read after they were closed: it comes again
    if (isOver || isFull) return;
    try {
      attempt.message(data, lastEventId);
    } catch (cause) {
      return end({ why: "failed", error: toError(cause) });
    }
    if (isOver) return;
    if (attempt.opened) awaitSilence();
    // it cannot be told to wait: it is closed, and goes on from here once all is handled, not at each place that gets free
    if (attempt.inbox.isFull) {
      isFull = true;
      source.close();
      clearTimeout(timer);
      void attempt.inbox.empty().then(() => end({ why: "again" }));
    }
  };
  source.onerror = () => {
    if (isOver || isFull) return;
    const hasSpoken = attempt.opened || attempt.closing !== null;
    if (source.readyState === CLOSED) return end({ why: hasSpoken ? "dropped" : "opaque" });
    if (!hasSpoken) return end({ why: "failed", error: new ChaincastError("the service cannot be reached", { code: "network" }) });
    attempt.lost();
    // when it comes back was for the browser alone to see: no later than anyone would, or it hangs
    awaitOpening(backoffMaxMs);
  };
}
