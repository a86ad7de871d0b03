// Debian's Chromium, driven by playwright-core, which brings no browser of its own.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const SCREENSHOTS = fileURLToPath(new URL("../../target/screenshots", import.meta.url));

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox", // containers and root have no sandbox to give; the only page loaded is ours
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * A page of the service. `page.errors` gathers what went wrong on it: errors of scripts, of the console (a broken content policy among them),
 * and requests that failed or went to another host. What the browser says of an answer that is no 2xx, or of a service that is away, is
 * left to the tests that cause it.
 */
export async function open(browser, url, options = {}) {
  const page = await browser.newPage(options);
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  page.on("console", (message) => {
    const network = message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !network) page.errors.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith("data:")) page.errors.push(`asks for ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

export async function screenshot(page, name, options = {}) {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), ...options });
}
