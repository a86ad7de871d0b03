// The shell: three views by the hash of the address, the theme, the dialogs and the keys.

import { mountCredential, get, onToken } from "./credential.js";
import { mountDashboard } from "./dashboard.js";
import { $, element, remember, remembered } from "./parts.js";
import { mountPublish } from "./publish.js";
import { mountStream } from "./stream.js";

const VIEWS = ["stream", "publish", "dashboard"];
const machine = () => localStorage;

// ---- theme --------------------------------------------------------------------------------------------------------------------------------

const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const theme = () => root.dataset.theme ?? (system.matches ? "dark" : "light");

function themeChanged() {
  $("theme").textContent = { light: "Light", dark: "Dark" }[root.dataset.theme] ?? "Auto";
  $("theme").title = "Theme: as the system has it, light or dark (t)";
  $("theme").setAttribute("aria-label", `Theme: ${$("theme").textContent}`);
}

/** As the system has it, then light, then dark. */
function nextTheme() {
  const next = { undefined: "light", light: "dark", dark: null }[root.dataset.theme];
  if (next) root.dataset.theme = next;
  else delete root.dataset.theme;
  remember(machine, "chaincast-theme", next);
  themeChanged();
}

// ---- views --------------------------------------------------------------------------------------------------------------------------------

let shown = "";
mountCredential();
const stream = mountStream();
const publish = mountPublish();
const dashboard = mountDashboard($("view-dashboard"), { get, onToken, get theme() { return theme(); } });

/** The view that the hash names: `#stream?streams=1`. */
function route() {
  const [name, query = ""] = location.hash.slice(1).split("?");
  const next = VIEWS.includes(name) ? name : "stream";
  if (next === "stream" && (query || shown === "stream")) stream.take(query);
  if (next === shown) return;
  if (shown === "dashboard") dashboard.stop();
  const first = shown === "";
  shown = next;
  for (const view of VIEWS) {
    $(`view-${view}`).hidden = view !== next;
    const link = document.querySelector(`.views a[data-view=${view}]`);
    if (view === next) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${next[0].toUpperCase()}${next.slice(1)} · chaincast`;
  if (next === "stream") stream.shown();
  if (next === "dashboard") dashboard.start();
  if (!first) scrollTo(0, 0);
}

/** At once: the next key may come before the browser tells of the other hash. */
function open(view) {
  location.hash = view === "stream" ? stream.hash() : view;
  route();
}

// ---- keys ---------------------------------------------------------------------------------------------------------------------------------

const KEYS = [
  ["1", "the stream", () => open("stream")],
  ["2", "publish", () => open("publish")],
  ["3", "the dashboard", () => open("dashboard")],
  ["c", "connect, or disconnect", () => stream.toggle()],
  ["r", "continue where it stopped", () => stream.resume()],
  ["p", "pause, or resume", () => stream.pause()],
  ["/", "search the frames", () => stream.search()],
  ["j", "the next frame", () => stream.step(1)],
  ["k", "the frame before", () => stream.step(-1)],
  ["x", "clear the frames", () => stream.clear()],
  ["t", "another theme", nextTheme],
  ["?", "this list", () => $("help").showModal()],
];

function pressed(event) {
  // what lies behind a dialog is out of reach, for keys as well
  if (document.querySelector("dialog[open]")) return undefined;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && shown === "publish") {
    event.preventDefault();
    return publish.send();
  }
  const writing = event.target.closest("input:not([type=checkbox]), select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || writing || !$("shortcuts-on").checked) return undefined;
  const found = KEYS.find(([key]) => key === event.key);
  if (!found) return undefined;
  event.preventDefault();
  if ("crpjkx/".includes(event.key) && shown !== "stream") open("stream");
  return found[2]();
}

// ---- wiring -------------------------------------------------------------------------------------------------------------------------------

for (const [key, does] of KEYS) {
  const term = element("dt");
  term.append(element("kbd", "", key));
  $("shortcuts").append(term, element("dd", "", does));
}
const sending = element("dt");
sending.append(element("kbd", "", "Ctrl"), " ", element("kbd", "", "Enter"));
$("shortcuts").append(sending, element("dd", "", "publish what is written"));

$("shortcuts-on").checked = remembered(machine, "chaincast-keys") !== "off";
$("shortcuts-on").addEventListener("change", () => remember(machine, "chaincast-keys", $("shortcuts-on").checked ? null : "off"));
$("theme").addEventListener("click", nextTheme);
$("help-open").addEventListener("click", () => $("help").showModal());
$("skip").addEventListener("click", (event) => {
  // the hash is the view's
  event.preventDefault();
  $("main").focus();
});
document.querySelector(".views a[data-view=stream]").addEventListener("click", (event) => {
  event.preventDefault();
  open("stream");
});
for (const close of document.querySelectorAll("[data-close]")) close.addEventListener("click", () => close.closest("dialog").close());
system.addEventListener("change", themeChanged);
addEventListener("hashchange", route);
addEventListener("keydown", pressed);
route();
themeChanged();
