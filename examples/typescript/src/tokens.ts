// The token in use. It is kept until the service says that it ends or refuses it: only the service knows.

import { ChaincastError } from "./error.js";
import { sleep } from "./sleep.js";

/** What may follow `Bearer` (RFC 6750 §2.1): nothing else can be sent. */
const TOKEN68 = /^[A-Za-z0-9._~+/-]+=*$/;

export const isToken = (text: string): boolean => TOKEN68.test(text);

/** Why a token is wanted. */
export type TokenReason = "start" | "expiring" | "expired" | "revoked" | "refused";

export class Tokens {
  #token: string | null = null;
  #why: TokenReason = "start";

  constructor(
    private readonly provider: ((why: TokenReason) => string | Promise<string>) | undefined,
    private readonly fixed: string | undefined,
    private readonly timeoutMs: number,
    private readonly end: AbortSignal,
  ) {}

  get canRenew(): boolean {
    return this.provider !== undefined;
  }

  /** The token, and whether it was made for this call. */
  async get(): Promise<{ token: string | null; isFresh: boolean }> {
    if (this.provider === undefined) return { token: this.fixed ?? null, isFresh: true };
    if (this.#token !== null) return { token: this.#token, isFresh: false };
    this.#token = await this.#ask(this.#why);
    return { token: this.#token, isFresh: true };
  }

  /** The next `get` asks for a new one. */
  drop(why: TokenReason): void {
    this.#token = null;
    this.#why = why;
  }

  /** Whether there is another token than before. */
  async renew(): Promise<boolean> {
    if (this.provider === undefined) return false;
    const before = this.#token;
    const token = await this.#ask("expiring");
    this.#token = token;
    return token !== before;
  }

  async #ask(why: TokenReason): Promise<string> {
    const token: unknown = await this.#inTime(this.provider?.(why));
    if (typeof token !== "string" || token === "") throw new ChaincastError("getToken answered no token", { code: "token" });
    // an error page, most likely: it is not kept, and its text is not told
    if (!isToken(token)) throw new ChaincastError("what getToken answered is no token: check the answer's status", { code: "token" });
    return token;
  }

  /** A provider that never answers holds up neither the next attempt nor the end. */
  async #inTime(answer: unknown): Promise<unknown> {
    const done = new AbortController();
    const finish = () => done.abort();
    this.end.addEventListener("abort", finish);
    const late = sleep(this.timeoutMs, this.end.aborted ? this.end : done.signal).then(() => {
      throw new ChaincastError("getToken did not answer in time", { code: "token" });
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      this.end.removeEventListener("abort", finish);
      finish();
    }
  }
}
