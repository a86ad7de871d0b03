// A document for React, with Node.js' own fetch: that of a simulated browser streams nothing. Import it before React.

import { Window } from "happy-dom";

const page = new Window({ url: "http://localhost/" });
const names = [
  "navigator",
  "HTMLElement",
  "HTMLIFrameElement",
  "Element",
  "Node",
  "Text",
  "Event",
  "MouseEvent",
  "CustomEvent",
  "MutationObserver",
  "getComputedStyle",
];
const global = globalThis as Record<string, unknown>;
global["window"] = page;
global["document"] = page.document;
for (const name of names) global[name] ??= (page as unknown as Record<string, unknown>)[name];
// updates come from a network, at any time: React renders them as it does in a browser
global["IS_REACT_ACT_ENVIRONMENT"] = false;

/** An event of the page's life. */
export function happen(name: "pagehide" | "pageshow" | "online" | "visibilitychange", persisted = false): void {
  const event = new page.Event(name);
  Object.assign(event, { persisted });
  if (name === "visibilitychange") page.document.dispatchEvent(event);
  else page.dispatchEvent(event);
}
