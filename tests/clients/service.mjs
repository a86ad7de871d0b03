// The built service as a process of its own, on one port and one SQLite file for the whole of a test.
//
// CHAINCAST_BIN names the binary; without it the debug build is taken. A restart is SIGTERM, the end of the process, and a new one.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const BINARY = resolve(process.env.CHAINCAST_BIN ?? fileURLToPath(new URL("../../target/debug/chaincast", import.meta.url)));

/** Waits until `condition` answers something true, and answers it; says what it waited for when it gives up. */
export async function eventually(what, condition, seconds = 30) {
  const deadline = Date.now() + seconds * 1000;
  let reason = "";
  while (Date.now() < deadline) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      reason = ` (${error.message})`;
    }
    await new Promise((next) => setTimeout(next, 20));
  }
  throw new Error(`waited ${seconds} s for ${what}${reason}`);
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export class Service {
  #process = null;
  #output = "";

  #settings = {};

  /** With more settings than the usual. */
  static async start(settings = {}) {
    const service = new Service();
    service.#settings = settings;
    service.directory = await mkdtemp(join(tmpdir(), "chaincast-clients-"));
    service.port = await freePort();
    service.url = `http://127.0.0.1:${service.port}`;
    try {
      await service.#spawn();
    } catch (error) {
      service.#process?.kill("SIGKILL");
      await rm(service.directory, { recursive: true, force: true });
      throw error;
    }
    return service;
  }

  async #spawn() {
    const child = spawn(BINARY, [], {
      cwd: this.directory,
      env: {
        PATH: process.env.PATH,
        CHAINCAST_LISTEN: `127.0.0.1:${this.port}`,
        DATABASE_URL: `sqlite://${join(this.directory, "log.db")}`,
        CHAINCAST_DRAIN_SECONDS: "2",
        ...this.#settings,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    const keep = (chunk) => { this.#output = (this.#output + chunk).slice(-8000); };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    let failed = null;
    child.on("error", (error) => { failed = error; });
    await eventually("the service to be ready", async () => {
      if (failed || child.exitCode !== null) return true;
      return (await fetch(`${this.url}/health/ready`)).ok;
    });
    if (failed || child.exitCode !== null) throw new Error(`${BINARY} did not start: ${failed ?? child.exitCode}\n${this.#output}`);
  }

  async #end() {
    const child = this.#process;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, "exit");
      const impatient = setTimeout(() => child.kill("SIGKILL"), 20_000);
      child.kill("SIGTERM");
      await gone;
      clearTimeout(impatient);
    }
    if (child.exitCode !== 0) throw new Error(`the service ended with ${child.exitCode ?? child.signalCode}\n${this.#output}`);
  }

  /** SIGTERM, then a new process on the same port and file; `between` runs while nothing listens. */
  async restart(between = () => {}) {
    await this.#end();
    await between();
    await this.#spawn();
  }

  async stop() {
    try {
      await this.#end();
    } finally {
      await rm(this.directory, { recursive: true, force: true });
    }
  }

  /** Publishes events that carry the numbers `first..=last`, in one batch. */
  async publish(first, last) {
    const events = [];
    for (let n = first; n <= last; n++) {
      events.push({ id: `numbered-${n}`, type: "test.numbered", streams: ["numbers"], data: { n } });
    }
    const response = await fetch(`${this.url}/events`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(events),
    });
    if (response.status !== 201) throw new Error(`publishing answered ${response.status}: ${await response.text()}`);
  }
}
