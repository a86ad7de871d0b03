// Where the cursor outlives the page.
//
// Written at most once in a while and when the page is left, with what the handler has finished: after a crash some events may come again,
// but none is missed. `session` is one tab's own; in `local` all tabs with the same filter share an entry, and the one that is farthest
// writes it: what it says is that this browser has seen all up to there.

import { isPast } from "./cursor.js";

export interface CursorStore {
  get(key: string): string | null;
  set(key: string, cursor: string): void;
}

export type Persist = "session" | "local" | "memory" | CursorStore;

const memory = new Map<string, string>();

function webStorage(name: "sessionStorage" | "localStorage"): CursorStore {
  // storage is asked for at each use: it throws where the user forbids it, and is absent on servers
  return {
    get: (key) => globalThis[name]?.getItem(key) ?? null,
    set: (key, cursor) => globalThis[name]?.setItem(key, cursor),
  };
}

function storeOf(persist: Persist): CursorStore {
  if (persist === "session") return webStorage("sessionStorage");
  if (persist === "local") return webStorage("localStorage");
  if (persist === "memory") return { get: (key) => memory.get(key) ?? null, set: (key, cursor) => void memory.set(key, cursor) };
  return persist;
}

/** One subscription's entry. Storage that fails is told of once, and then done without. */
export class StoredCursor {
  readonly #store: CursorStore;
  #pending: string | null = null;
  #backwards = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #broken = false;

  constructor(
    persist: Persist,
    private readonly key: string,
    private readonly everyMs: number,
    private readonly onBroken: (cause: unknown) => void,
  ) {
    this.#store = storeOf(persist);
  }

  read(): string | null {
    return this.#attempt(() => this.#store.get(this.key)) ?? null;
  }

  /** `backwards` when the log itself was set back, and a smaller cursor is the right one. */
  save(cursor: string, backwards = false): void {
    this.#pending = cursor;
    this.#backwards ||= backwards;
    this.#timer ??= setTimeout(() => this.flush(), this.everyMs);
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const [cursor, backwards] = [this.#pending, this.#backwards];
    this.#pending = null;
    this.#backwards = false;
    if (cursor === null) return;
    this.#attempt(() => {
      if (backwards || !isPast(cursor, this.#store.get(this.key))) this.#store.set(this.key, cursor);
    });
  }

  #attempt<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (cause) {
      if (!this.#broken) this.onBroken(cause);
      this.#broken = true;
      return undefined;
    }
  }
}
