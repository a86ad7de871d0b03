// What every view is made with: elements, words for numbers and times, copying, notices.

export const $ = (id) => document.getElementById(id);

/** An element with a class and a text; never markup. */
export function element(tag, className = "", text = undefined) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

export function button(text, className, act) {
  const node = element("button", className, text);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

/** The text with what stands between backticks as code, as the service's answers have it. */
export function worded(text) {
  const parts = document.createDocumentFragment();
  for (const [at, piece] of text.split(/`([^`]+)`/).entries()) parts.append(at % 2 ? element("code", "", piece) : piece);
  return parts;
}

/** Shows `text`, or hides the node when there is none. */
export function say(node, text) {
  node.replaceChildren(worded(text ?? ""));
  node.hidden = !text;
}

export const count = (n) => Number(n).toLocaleString("en");

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** How long ago, in at most six characters. */
export function age(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** Copies, and says so; where there is no clipboard, which needs HTTPS or this machine, the text is selected in `shown` instead. */
export async function copy(text, what, shown = null) {
  try {
    await navigator.clipboard.writeText(text);
    notice(`${what} copied`);
  } catch {
    if (shown) getSelection().selectAllChildren(shown);
    notice(shown ? `${what} selected: copy it with the keyboard` : "This browser lets no page copy here");
  }
}

let hiding;

/** A word at the edge of the window, gone after a while. */
export function notice(text) {
  const node = $("notice");
  node.textContent = text;
  node.dataset.on = "";
  clearTimeout(hiding);
  hiding = setTimeout(() => delete node.dataset.on, 2500);
}

/** What a browser that keeps nothing answers is nothing. */
export function remembered(store, name) {
  try { return store().getItem(name); } catch { return null; }
}

export function remember(store, name, value) {
  try {
    if (value === null) store().removeItem(name);
    else store().setItem(name, value);
  } catch { /* it is forgotten with the page */ }
}

/** The text with what the search looks for marked. */
export function marked(text, needle) {
  const parts = document.createDocumentFragment();
  if (!needle) {
    parts.append(text);
    return parts;
  }
  const lower = text.toLowerCase();
  let at = 0;
  // a letter whose lower case is longer would shift what is marked
  const found = lower.length === text.length ? () => lower.indexOf(needle, at) : () => -1;
  for (let next = found(); next >= 0; next = found()) {
    parts.append(text.slice(at, next), element("mark", "", text.slice(next, next + needle.length)));
    at = next + needle.length;
  }
  parts.append(text.slice(at));
  return parts;
}
