// A service and a browser for the whole of a test file, which is a process of its own: import them, and they are there for its tests.

import { after, before } from "node:test";
import { launch } from "./browser.mjs";
import { Service } from "./service.mjs";

export let service;
export let browser;

before(async () => {
  service = await Service.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await service?.stop();
});
