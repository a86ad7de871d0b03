// What the dashboard shows beside its charts: tiles, bars and lists of figures. Each makes its nodes once and changes what changed.

import { element, put, say } from "./nodes.js";

/** Keeps one node for each key, in the order that is asked for; what is not asked for any more goes. */
class Kept {
  #nodes = new Map();
  #parent;
  #make;

  constructor(parent, make) {
    [this.#parent, this.#make] = [parent, make];
  }

  update(rows, change) {
    let next = this.#parent.firstElementChild;
    for (const row of rows) {
      if (!this.#nodes.has(row.key)) this.#nodes.set(row.key, this.#make(row));
      const made = this.#nodes.get(row.key);
      if (made.node !== next) this.#parent.insertBefore(made.node, next);
      else next = next.nextElementSibling;
      change(made, row);
    }
    const wanted = new Set(rows.map((row) => row.key));
    for (const [key, { node }] of this.#nodes) {
      if (wanted.has(key)) continue;
      node.remove();
      this.#nodes.delete(key);
    }
  }
}

function panel(title, note, ...body) {
  const heading = element("h3", "", title);
  if (note) heading.append(element("small", "", note));
  return element("section", "card panel", element("div", "panel-head", heading), ...body);
}

/** The most important figures, large. Rows: `{ key, name, value, title, more }`. */
export class Tiles {
  constructor() {
    this.element = element("dl", "tiles");
    this.element.setAttribute("aria-label", "Now");
    this.kept = new Kept(this.element, ({ name }) => {
      const [value, more] = [element("dd", "value"), element("dd", "under")];
      return { node: element("div", "card tile", element("dt", "", name), value, more), value, more };
    });
  }

  update(rows) {
    this.kept.update(rows, ({ node, value, more }, row) => {
      say(value, row.value);
      say(more, row.more ?? "");
      put(node, "title", row.title ?? "");
    });
  }
}

/**
 * Shares of something. Rows: `{ key, name, share, cells: [text], title, warns, idle }`; a table, since it is one. With a word for nothing, only
 * what happened is shown until all is asked for.
 */
export class Bars {
  #all = true;
  #rows = [];

  constructor(title, note, columns, nothing = "") {
    const head = element("tr", "", ...["", "", ...columns].map((name) => element("th", "", name)));
    for (const cell of head.children) cell.scope = "col";
    say(head.firstChild, "what");
    head.firstChild.className = "away";
    const body = element("tbody");
    const caption = element("caption", "away", title);
    this.columns = head.children;
    this.table = element("table", "bars", caption, element("thead", "", head), body);
    this.nothing = element("p", "nothing", nothing);
    this.nothing.hidden = true;
    this.element = panel(title, note, this.table, this.nothing);
    if (nothing) this.#fold(title);
    this.kept = new Kept(body, ({ name }) => {
      const label = Object.assign(element("th", "", name), { scope: "row" });
      const fill = element("i");
      const bar = element("td", "meter", element("span", "", fill));
      bar.setAttribute("aria-hidden", "true");
      const cells = columns.map(() => element("td"));
      return { node: element("tr", "", label, bar, ...cells), fill, cells };
    });
  }

  #fold(title) {
    this.#all = false;
    const toggle = Object.assign(element("button", "small", "All"), { type: "button" });
    toggle.setAttribute("aria-label", `${title}: show all`);
    toggle.setAttribute("aria-pressed", "false");
    toggle.addEventListener("click", () => {
      this.#all = !this.#all;
      toggle.setAttribute("aria-pressed", String(this.#all));
      this.update(this.#rows);
    });
    this.element.firstChild.append(toggle);
  }

  update(all) {
    this.#rows = all;
    const rows = this.#all ? all : all.filter((row) => !row.idle);
    this.table.hidden = rows.length === 0;
    this.nothing.hidden = rows.length > 0;
    this.kept.update(rows, ({ node, fill, cells }, row) => {
      const share = Math.max(0, Math.min(1, row.share || 0));
      const width = `${Math.round(share * 1000) / 10}%`;
      if (fill.style.width !== width) fill.style.width = width;
      put(node, "title", row.title ?? "");
      put(node, "class", [row.warns ? "warns" : "", row.idle ? "idle" : ""].join(" ").trim());
      for (const [at, cell] of cells.entries()) say(cell, row.cells[at]);
    });
  }
}

/** Names and figures. Rows: `{ key, name, value, title, tone }`. */
export class Facts {
  constructor(title, note) {
    const list = element("dl", "facts");
    this.element = panel(title, note, list);
    this.kept = new Kept(list, ({ name }) => {
      const value = element("dd");
      return { node: element("div", "", element("dt", "", name), value), value };
    });
  }

  update(rows) {
    this.kept.update(rows, ({ node, value }, row) => {
      say(value, row.value);
      put(value, "class", row.tone ?? "");
      put(node, "title", row.title ?? "");
    });
  }
}

/** Rows of cells under names. Rows: `{ key, cells: [text], title }`. */
export class Grid {
  constructor(title, columns) {
    const head = element("tr", "", ...columns.map((name) => element("th", "", name)));
    for (const cell of head.children) cell.scope = "col";
    const body = element("tbody");
    const scroll = element("div", "sideways", element("table", "grid-table", element("caption", "away", title), element("thead", "", head), body));
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", title);
    this.element = panel(title, "", scroll);
    this.kept = new Kept(body, () => {
      const cells = columns.map((_, at) => (at === 0 ? Object.assign(element("th"), { scope: "row" }) : element("td")));
      return { node: element("tr", "", ...cells), cells };
    });
  }

  update(rows) {
    this.kept.update(rows, ({ node, cells }, row) => {
      put(node, "title", row.title ?? "");
      for (const [at, cell] of cells.entries()) say(cell, row.cells[at] ?? "");
    });
  }
}

/** Which of a few holds: radio buttons that look like one control. */
export function choice(legend, name, options, chosen, change) {
  const set = element("fieldset", "choice", element("legend", "away", legend));
  for (const [value, text] of options) {
    const input = Object.assign(element("input"), { type: "radio", name, value, checked: value === chosen });
    input.addEventListener("change", () => change(value));
    set.append(element("label", "", input, element("span", "", text)));
  }
  return set;
}
