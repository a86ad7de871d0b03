// The token in use. It is kept until the service says that it ends or refuses it: only the service knows.

import { ChaincastError } from "./error.js";

/** Why a token is wanted. */
export type TokenReason = "start" | "expiring" | "expired" | "revoked" | "refused";

export class Tokens {
  #token: string | null = null;
  #why: TokenReason = "start";

  constructor(
    private readonly provider: ((why: TokenReason) => string | Promise<string>) | undefined,
    private readonly fixed: string | undefined,
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
    const token: unknown = await this.provider?.(why);
    if (typeof token !== "string" || token === "") throw new ChaincastError("getToken answered no token", { code: "token" });
    return token;
  }
}
