// The token, if the service wants one: in memory, or with the tab if that was chosen. It is in no URL, no line to copy, and no message.

import { $, remember, remembered } from "./parts.js";

const NAME = "chaincast-token";
const tab = () => sessionStorage;

let token = remembered(tab, NAME) ?? "";
const listeners = [];

export const hasToken = () => token !== "";

/** Headers of a request, with the token if there is one. */
export const headers = (others = {}) => (token ? { ...others, Authorization: `Bearer ${token}` } : others);

/** Asks the service, at a path relative to the page, with the token if there is one. */
export const get = (path, options = {}) => fetch(path, { ...options, headers: headers(options.headers) });

/** Is called when the token changes. */
export const onToken = (listener) => listeners.push(listener);

function use(text, keep) {
  token = text;
  remember(tab, NAME, keep && text ? text : null);
  show();
  for (const listener of listeners) listener();
}

function show() {
  $("credential-open").textContent = token ? "Token ✓" : "Token";
  $("credential-open").setAttribute("aria-label", token ? "Token: set" : "Token");
  $("token-forget").hidden = !token;
}

export function mountCredential() {
  const dialog = $("credential");
  $("token-keep").checked = remembered(tab, NAME) !== null;
  $("credential-open").addEventListener("click", () => {
    $("token").value = "";
    $("token").placeholder = token ? "one is set; write another to replace it" : "eyJ…";
    dialog.showModal();
  });
  $("credential-form").addEventListener("submit", () => use($("token").value.trim() || token, $("token-keep").checked));
  $("token-forget").addEventListener("click", () => {
    use("", false);
    dialog.close();
  });
  // what was typed is nowhere once the dialog is gone
  dialog.addEventListener("close", () => { $("token").value = ""; });
  show();
}
