// JSON as text. Chain integers outgrow a double, and JSON.parse would round them without a word; so what is shown is cut from the text itself.

export function parsed(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}

/** Behind the string that starts at `at`. */
function stringEnd(text, at) {
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}

function skip(text, at) {
  while (at < text.length && text[at] <= " ") at++;
  return at;
}

/** Behind the value that starts at `at`. */
function valueEnd(text, at) {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const c = text[i];
    if (c === '"') i = stringEnd(text, i) - 1;
    else if (c === "{" || c === "[") depth++;
    else if (c === "}" || c === "]") {
      if (depth === 0) return i;
      depth--;
    } else if (c === "," && depth === 0) return i;
  }
  return text.length;
}

/** The members of an object, or the elements of an array, as `[name or index, start, end]`, of JSON that parses. */
function* children(text, at) {
  const named = text[at] === "{";
  if (!named && text[at] !== "[") return;
  let index = 0;
  let next = skip(text, at + 1);
  while (next < text.length && text[next] !== "}" && text[next] !== "]") {
    let name = String(index++);
    if (named) {
      const colon = stringEnd(text, next);
      name = JSON.parse(text.slice(next, colon));
      next = skip(text, skip(text, colon) + 1);
    }
    const end = valueEnd(text, next);
    yield [name, next, next + text.slice(next, end).trimEnd().length];
    next = text[end] === "," ? skip(text, end + 1) : end;
  }
}

/** The text of one member of an object; undefined when it has none. */
export function member(text, name) {
  for (const [found, start, end] of children(text, skip(text, 0))) if (found === name) return text.slice(start, end);
  return undefined;
}

/** Where the value that a JSON Pointer names stands; what it stands in, if it is not there. */
export function locate(text, pointer) {
  let place = [skip(text, 0), text.trimEnd().length];
  for (const token of pointer.split("/").slice(1)) {
    const name = token.replaceAll("~1", "/").replaceAll("~0", "~");
    const child = [...children(text, place[0])].find(([found]) => found === name);
    if (!child) break;
    place = [child[1], child[2]];
  }
  return place;
}

/** JSON text with line breaks and indentation, and every number and string as it was. */
export function pretty(text) {
  let out = "";
  let depth = 0;
  // deeper than anybody reads, indentation would cost more than the text
  const line = () => "\n" + "  ".repeat(Math.min(depth, 32));
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') {
      const end = stringEnd(text, i);
      out += text.slice(i, end);
      i = end - 1;
    } else if (c === "{" || c === "[") {
      const next = skip(text, i + 1);
      if (text[next] === "}" || text[next] === "]") {
        out += c + text[next];
        i = next;
      } else {
        depth++;
        out += c + line();
      }
    } else if (c === "}" || c === "]") {
      depth--;
      out += line() + c;
    } else if (c === ",") out += c + line();
    else if (c === ":") out += ": ";
    else if (c > " ") out += c;
  }
  return out;
}

/** Control characters, and those that turn or hide the text around them, as JSON would escape them. */
export function visible(text) {
  return text.replace(
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}
