// The built service as a process of its own, on one port and one SQLite file for the whole of a test. CHAINCAST_BIN names the binary.

import { spawn, type ChildProcess } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const BINARY = resolve(process.env["CHAINCAST_BIN"] ?? fileURLToPath(new URL("../../../../target/debug/chaincast", import.meta.url)));

/** Waits until `condition` answers something true, and answers it; says what it waited for when it gives up. */
export async function eventually<T>(what: string, condition: () => T | Promise<T>, seconds = 30): Promise<NonNullable<T>> {
  const deadline = Date.now() + seconds * 1000;
  let reason = "";
  while (Date.now() < deadline) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      reason = ` (${error instanceof Error ? error.message : String(error)})`;
    }
    await new Promise((next) => setTimeout(next, 10));
  }
  throw new Error(`waited ${seconds} s for ${what}${reason}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export class Service {
  readonly url: string;
  #process: ChildProcess | null = null;
  #output = "";

  private constructor(
    private readonly port: number,
    readonly directory: string,
    private readonly settings: Record<string, string>,
  ) {
    this.url = `http://127.0.0.1:${port}`;
  }

  /** A service that is not started yet. */
  static async prepare(settings: Record<string, string> = {}): Promise<Service> {
    return new Service(await freePort(), await mkdtemp(join(tmpdir(), "chaincast-typescript-")), settings);
  }

  static async start(settings: Record<string, string> = {}): Promise<Service> {
    const service = await Service.prepare(settings);
    await service.spawn();
    return service;
  }

  async spawn(): Promise<void> {
    const child = spawn(BINARY, [], { cwd: this.directory, env: this.#environment(), stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-8000);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    let failed: Error | null = null;
    child.on("error", (error) => {
      failed = error;
    });
    const hasEnded = () => failed !== null || child.exitCode !== null;
    await eventually("the service to be ready", async () => hasEnded() || (await fetch(`${this.url}/health/ready`)).ok);
    if (hasEnded()) throw new Error(`${BINARY} did not start: ${failed ?? child.exitCode}\n${this.#output}`);
  }

  #environment(): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "",
      CHAINCAST_LISTEN: `127.0.0.1:${this.port}`,
      DATABASE_URL: `sqlite://${join(this.directory, "log.db")}`,
      CHAINCAST_DRAIN_SECONDS: "1",
      ...this.settings,
    };
  }

  async end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }

  /** SIGTERM, then a new process on the same port and file. */
  async restart(): Promise<void> {
    await this.end();
    await this.spawn();
  }

  async stop(): Promise<void> {
    await this.end("SIGKILL");
    await rm(this.directory, { recursive: true, force: true });
  }

  async publish(events: readonly object[], token?: string): Promise<void> {
    for (let start = 0; start < events.length; start += 1000) {
      const headers: Record<string, string> = { "Content-Type": "application/json" };
      if (token !== undefined) headers["Authorization"] = `Bearer ${token}`;
      const body = JSON.stringify(events.slice(start, start + 1000));
      const response = await fetch(`${this.url}/events`, { method: "POST", headers, body });
      if (!response.ok) throw new Error(`publishing answered ${response.status}: ${await response.text()}`);
    }
  }

  /** Events of the stream `numbers` that carry `first..=last`. */
  async publishNumbers(first: number, last: number, token?: string): Promise<void> {
    const event = (n: number) => ({ id: `numbered-${n}`, type: "test.numbered", streams: ["numbers"], data: { n } });
    await this.publish(
      upTo(last)
        .slice(first - 1)
        .map(event),
      token,
    );
  }
}

/** 1, 2, … last */
export const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

export const JWT_SECRET = "a secret of the tests, 32 bytes or more";

/** A token as the login of an application would make it. */
export function makeToken(seconds: number, rights: object = { subscribe: { all: true }, publish: {} }): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const claims = { sub: "tester", jti: randomUUID(), exp, chaincast: rights };
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${signed}.${createHmac("sha256", JWT_SECRET).update(signed).digest("base64url")}`;
}
