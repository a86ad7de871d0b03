// The clients of followers.mjs follow a stream across restarts of the service, and those that keep a cursor across their own, without loss
// or repetition.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open, screenshot } from "./browser.mjs";
import { FOLLOWERS } from "./followers.mjs";
import { eventually } from "./service.mjs";
import { browser, service } from "./used.mjs";

const upTo = (last) => Array.from({ length: last }, (_, i) => i + 1);

test("every client receives every event once and in order across two restarts", { timeout: 180_000 }, async () => {
  const followers = [];
  const shown = await open(browser, service.url);
  await shown.locator("#connect").click();
  await shown.locator('li[data-type="hub.live"]').waitFor();

  const all = (what, holds) =>
    Promise.all(followers.map((follower) => eventually(`${follower.name} ${what}`, async () => {
      await follower.refresh?.();
      return holds(follower);
    })));
  const received = (last) => all(`to receive ${last} events`, (follower) => follower.numbers.length >= last);

  try {
    for (const follow of FOLLOWERS) followers.push(await follow(service, browser));
    await service.publish(1, 40);
    await received(40);
    await service.restart();
    // nobody need be back yet: what is published now is replayed to whoever comes later
    await service.publish(41, 80);
    await received(80);
    await all("to be live again", (follower) => follower.lives() >= 2);
    await service.publish(81, 90);
    await service.restart(() => Promise.all(followers.map((follower) => follower.renew?.())));
    await service.publish(91, 120);
    await received(120);
    await all("to be live a third time", (follower) => follower.lives() >= 3);
    // a repeated event would come before this one
    await service.publish(121, 121);
    await received(121);
    for (const follower of followers) assert.deepEqual(follower.numbers, upTo(121), follower.name);

    await shown.locator('li[data-seq="121"]').waitFor();
    const seqs = await shown.locator("li.event").evaluateAll((rows) => rows.map((row) => Number(row.dataset.seq)).reverse());
    assert.deepEqual(seqs, upTo(121), "the page");
    assert.deepEqual(shown.errors, []);
    await screenshot(shown, "after-two-restarts");
  } finally {
    for (const follower of followers) await follower.stop();
    await shown.close();
  }
});
