// The life of a web page: hidden, frozen into the back/forward cache, back again, offline, online. Elsewhere nothing happens.

export interface PageEvents {
  /** The page may be gone in a moment. */
  leaving(): void;
  /** It is put away whole; connections must be closed, or the browser will not keep it. */
  frozen(): void;
  /** It is back from there. */
  thawed(): void;
  /** Somebody looks: do not sit out a long wait. */
  stirred(): void;
  /** The network is there again: a connection of before is most likely dead, and would not say so for long. */
  online(): void;
}

/** Answers what ends the watching. */
export function watchPage(events: PageEvents): () => void {
  if (typeof window === "undefined" || typeof document === "undefined") return () => undefined;
  const visibility = () => (document.visibilityState === "hidden" ? events.leaving() : events.stirred());
  const hide = (event: PageTransitionEvent) => {
    events.leaving();
    if (event.persisted) events.frozen();
  };
  const show = (event: PageTransitionEvent) => {
    if (event.persisted) events.thawed();
  };
  const online = () => events.online();
  document.addEventListener("visibilitychange", visibility);
  window.addEventListener("pagehide", hide);
  window.addEventListener("pageshow", show);
  window.addEventListener("online", online);
  return () => {
    document.removeEventListener("visibilitychange", visibility);
    window.removeEventListener("pagehide", hide);
    window.removeEventListener("pageshow", show);
    window.removeEventListener("online", online);
  };
}
