// Nodes of the dashboard: made once, and changed only where they are another.

const SVG = "http://www.w3.org/2000/svg";

/** A shape of SVG. */
export function shape(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** An element of the page with a class, and what is in it. */
export function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** Sets a text or an attribute if it is another: most are not, from one second to the next. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
export function put(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}
