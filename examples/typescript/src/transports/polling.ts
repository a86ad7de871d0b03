// Pages of the log, one after the other: for those whom streams do not reach.

import type { Attempt, Ending } from "./attempt.js";
import { requestPage, toError } from "./request.js";
import { sleep } from "../sleep.js";

export async function followByPolling(attempt: Attempt): Promise<Ending> {
  const until = Date.now() + attempt.pollForMs;
  try {
    while (!attempt.signal.aborted) {
      const page = await requestPage(attempt);
      attempt.page(page);
      await attempt.inbox.room();
      if (page.hasMore) continue;
      if (Date.now() >= until) return { why: "again" };
      // jittered: clients that began together must not go on so
      await sleep(attempt.tuning.pollEveryMs * (0.75 + Math.random() / 2), attempt.signal);
    }
    return { why: "stopped" };
  } catch (cause) {
    return attempt.signal.aborted ? { why: "stopped" } : { why: "failed", error: toError(cause) };
  }
}
