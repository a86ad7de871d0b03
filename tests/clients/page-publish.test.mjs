// The page at `/`, the view that publishes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open, screenshot } from "./browser.mjs";
import { connect, events, row, send, sendRaw, state, view } from "./page.mjs";
import { eventually, Service } from "./service.mjs";
import { browser, service } from "./used.mjs";

const DESKTOP = { viewport: { width: 1360, height: 900 } };
const COMMON = [
  "stream.created", "stream.topped_up", "stream.withdrawn", "stream.cancelled", "stream.completed", "token.transfer", "market.price", "proposal.created",
  "proposal.updated",
];

const publisher = (options = DESKTOP) => open(browser, `${service.url}/#publish`, options);
const verdict = (page, text) => page.locator(".verdict", { hasText: text }).waitFor();

test("every common event is stored as its form makes it, and is seen in the stream", { timeout: 90_000 }, async () => {
  const page = await publisher();
  await page.keyboard.press("1");
  await connect(page);
  await page.getByRole("link", { name: "Publish something" }).click();
  const options = await page.locator("#template option").allTextContents();
  assert.deepEqual(options.map((text) => text.split(" · ")[0]), COMMON);
  for (const [index, type] of COMMON.entries()) {
    await page.selectOption("#template", { index });
    assert.equal(JSON.parse(await page.inputValue("#event")).type, type);
    assert.equal(await send(page), 201, type);
  }
  await verdict(page, `Stored as event ${COMMON.length}`);
  await page.getByRole("link", { name: "See it in the stream" }).click();
  await row(page, COMMON.at(-1)).waitFor();
  assert.deepEqual(await events(page), COMMON.toReversed());
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("an id that is sent twice is explained, and one with other content too", { timeout: 90_000 }, async () => {
  const page = await publisher();
  await page.click("#new-id");
  assert.equal(await send(page), 201);
  await verdict(page, "Stored as event");
  assert.equal(await send(page), 200);
  await verdict(page, "Nothing new: this id was stored before, as event");
  await screenshot(page, "page-publish-light");
  await page.fill("#field-deposited_amount", "7");
  assert.equal(await send(page), 409);
  await verdict(page, "409: ");
  assert.match(await page.textContent("#answer"), /Event 1 has the id page-[0-9a-f]+, which event \d+ has with other content/);
  assert.deepEqual(await page.locator("#sent .tag").allTextContents(), ["409", "200", "201"]);
  await page.click("#new-id");
  assert.equal(await send(page), 201);
  await page.close();
});

test("a fault stands beside the field that caused it, or is shown where it stands in the JSON", { timeout: 90_000 }, async () => {
  const page = await publisher();
  await page.fill("#field-stream_id", "");
  assert.equal(await send(page), 422);
  await page.locator("#field-stream_id-problem", { hasText: "must not be empty" }).waitFor();
  assert.equal(await page.getAttribute("#field-stream_id", "aria-invalid"), "true");
  await page.fill("#field-recipient", "two words");
  await page.fill("#field-stream_id", "1");
  assert.equal(await send(page), 422);
  await page.locator("#field-recipient-problem", { hasText: "must be visible ASCII" }).waitFor();

  assert.equal(await sendRaw(page, '{"type":"a.b","data":1}\n\n{"type":"a.b","data":{"x":[1,{"type":"no"}]},"topics":["ok","a..b"]}\n'), 422);
  await page.locator("#event-problem", { hasText: "/1/topics/1" }).waitFor();
  assert.equal(await page.isVisible("#template-fields"), false, "a form that is not what is sent is out of sight");
  await page.locator("#by-hand", { hasText: "The JSON below is what is sent" }).waitFor();
  assert.equal(await page.locator("#view-publish :is(li, p, pre):visible", { hasText: "must not have empty segments" }).count(), 1, "a fault is said once");
  await page.getByRole("button", { name: "Show" }).click();
  assert.equal(await page.evaluate(() => { const area = document.querySelector("#event"); return area.value.slice(area.selectionStart, area.selectionEnd); }), '"a..b"');
  assert.equal(await sendRaw(page, '{"type":"hub.no"}'), 422);
  await page.locator("#event-problem code", { hasText: /^hub\.\*\*$/ }).waitFor();
  assert.doesNotMatch(await page.textContent("#event-problem"), /`/, "what is code looks like it");
  await page.click("#from-form");
  assert.equal(await page.isVisible("#template-fields"), true);
  assert.equal(JSON.parse(await page.inputValue("#event")).type, "stream.created");
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("raw JSON is sent as it was written: an array, lines, and integers beyond a double", { timeout: 90_000 }, async () => {
  const page = await publisher();
  const said = (text) => page.locator("#event-words", { hasText: text }).waitFor();
  await page.fill("#event", '[{"type":"raw.a"},');
  await said("This is not JSON yet");
  assert.equal(await send(page), 400);
  await page.fill("#event", '[{"type":"raw.a"},{"type":"raw.a"}]');
  await said("An array of 2 events");
  assert.equal(await send(page), 201);
  await verdict(page, "2 events stored");
  const wide = "-57896044618658097711785492504343953926634992332820282019728792003956564819968";
  await page.fill("#event", `{"type":"raw.wide","data":{"n":${wide}}}\n{"type":"raw.wide","data":"second"}`);
  await said("2 events, one a line");
  assert.equal(await send(page), 201);
  const kept = await (await fetch(`${service.url}/events?types=raw.wide`)).text();
  assert.ok(kept.includes(`"data":{"n":${wide}}`), kept);
  await page.getByRole("button", { name: "Edit" }).first().click();
  assert.ok((await page.inputValue("#event")).includes(wide), "what was sent can be written on");
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("someone alone can watch a stream of ten a second, and stop it", { timeout: 90_000 }, async () => {
  const page = await publisher();
  await page.click("#demo");
  await page.getByRole("link", { name: "Stream", exact: true }).click();
  await connect(page);
  await page.locator('li[data-type="stream.created"]').nth(4).waitFor();
  await view(page, "Publish");
  await page.getByRole("button", { name: "Stop sending" }).click();
  await page.locator("#demo-words", { hasText: /^\d+ events sent$/ }).waitFor();
  const sent = Number(/\d+/.exec(await page.textContent("#demo-words"))[0]);
  assert.ok(sent >= 5 && sent < 100, String(sent));
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("a service that is away is said to be out of reach, and history stays short", { timeout: 90_000 }, async () => {
  const own = await Service.start();
  const page = await open(browser, `${own.url}/#publish`, { viewport: { width: 375, height: 812 }, colorScheme: "dark" });
  const inSight = (selector) => page.locator(selector).evaluate((node) => {
    const { top, bottom } = node.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  });
  await page.fill("#field-recipient", "two words");
  assert.equal(await send(page), 422);
  await eventually("the fault to be in sight", () => inSight("#field-recipient-problem"));
  await page.fill("#field-recipient", "G1");
  for (let n = 0; n < 12; n++) assert.equal(await send(page), 201);
  await eventually("the answer to be in sight", () => inSight(".verdict"));
  assert.equal(await page.locator("#sent li").count(), 10);
  await page.evaluate(() => scrollTo(0, 0));
  await screenshot(page, "page-publish-dark-phone", { fullPage: true });
  await own.stop();
  await page.click("#send");
  await verdict(page, "The service is out of reach");
  await eventually("the button to be free again", () => page.isEnabled("#send"));
  await state(page, "not connected");
  await page.close();
});
