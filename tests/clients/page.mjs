// What the tests of the page do over and over, as a person would.

import assert from "node:assert/strict";

/** Waits for the state in the bar to say this. */
export const state = (page, text) => page.locator("#state").filter({ hasText: text }).waitFor();

/** The types of the events in the list, the newest first. */
export const events = (page) => page.locator("li.event").evaluateAll((rows) => rows.map((row) => row.dataset.type));

/** The seqs of the events in the list, the newest first. */
export const seqs = (page) => page.locator("li.event").evaluateAll((rows) => rows.map((row) => Number(row.dataset.seq)));

export const row = (page, type) => page.locator(`li[data-type="${type}"]`).first();

/** Writes words into a field of the filter. */
export async function choose(page, field, ...words) {
  await page.locator(`#${field}`).pressSequentially(words.map((word) => `${word},`).join(""));
}

export async function connect(page, from = "now") {
  await page.selectOption("#from", from);
  await page.click("#connect");
  await state(page, "live");
}

export const view = (page, name) => page.locator(".views").getByRole("link", { name }).click();

/** Publishes a template as it stands, from whatever view, and comes back to the stream. */
export async function publish(page, type) {
  await view(page, "Publish");
  await page.selectOption("#template", { label: await page.locator("#template option", { hasText: `${type} ·` }).textContent() });
  assert.equal(await send(page), 201);
  await view(page, "Stream");
}

/** Sends what is written; answers the status. */
export async function send(page) {
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.click("#send");
  return (await answered).status();
}

/** Sends this JSON. */
export async function sendRaw(page, text) {
  await page.fill("#event", text);
  return send(page);
}

export const fitsItsWidth = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
