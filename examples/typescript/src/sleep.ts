/** No timer is set to more: beyond 2^31 ms it would go off at once. */
export const MAX_WAIT_MS = 3_600_000;

/** Waits, at most an hour, or less long when `signal` says so; never rejects. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(milliseconds, MAX_WAIT_MS));
    signal.addEventListener("abort", end);
  });
}
