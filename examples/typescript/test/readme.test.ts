// What the README shows compiles as it stands, and its loop runs.

import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { Service } from "./support/service.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}readme-snippets`;
const run = promisify(execFile);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function snippets(): Promise<{ kind: string; text: string }[]> {
  const readme = await readFile(`${root}README.md`, "utf8");
  return [...readme.matchAll(/^```(tsx?)\n(.*?)^```/gms)].map(([, kind = "", text = ""]) => ({ kind, text }));
}

test("every snippet compiles", async () => {
  const all = await snippets();
  expect(all.length).toBeGreaterThanOrEqual(5);
  await mkdir(folder, { recursive: true });
  for (const [index, { kind, text }] of all.entries()) await writeFile(`${folder}/snippet-${index}.${kind}`, text);
  await writeFile(`${folder}/tsconfig.json`, JSON.stringify({ extends: "../tsconfig.json", include: ["."] }));
  const { stdout } = await run(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe("");
});

test("the loop receives what the service has, and ends", async () => {
  const service = await Service.start();
  try {
    await service.publish(["stream.created", "stream.completed"].map((type) => ({ type, streams: ["1"], data: { amount: "100" } })));
    const loop =
      (await snippets()).find(({ text }) => text.includes("for await"))?.text.replace("http://localhost:3001", service.url) ?? "";
    await mkdir(folder, { recursive: true });
    await writeFile(`${folder}/loop.mjs`, loop);
    const { stdout } = await run(process.execPath, [`${folder}/loop.mjs`], { timeout: 20_000 });
    expect(stdout).toBe("1 stream.created { amount: '100' }\n2 stream.completed { amount: '100' }\n");
  } finally {
    await service.stop();
  }
});
