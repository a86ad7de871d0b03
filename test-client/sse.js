// The wire format of Server-Sent Events, HTML Standard §9.2.6: text in, frames out.

// far above any event that the service takes; more without a line's end is no event stream
const MAX_LINE = 16 * 1024 * 1024;

/** A function that takes the stream's text in pieces of any length, and calls `frame({ event, data, id })` and `retry(milliseconds)`. */
export function parser({ frame, retry }) {
  let rest = "";
  let event = "";
  let data = [];
  let id; // only if this block has one
  const line = (text) => {
    if (text === "") {
      if (data.length) frame({ event, data: data.join("\n"), id });
      event = "";
      data = [];
      id = undefined;
      return;
    }
    const colon = text.indexOf(":");
    const name = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + (text[colon + 1] === " " ? 2 : 1));
    if (name === "data") data.push(value);
    else if (name === "event") event = value;
    else if (name === "id" && !value.includes("\0")) id = value;
    else if (name === "retry" && /^\d+$/.test(value)) retry(Number(value));
  };
  return (piece) => {
    const text = rest + piece;
    let at = 0;
    for (const { 0: ending, index: end } of text.matchAll(/\r\n|\n|\r/g)) {
      // a carriage return at the end may have its line feed in the next piece
      if (ending === "\r" && end + 1 === text.length) break;
      line(text.slice(at, end));
      at = end + ending.length;
    }
    rest = text.slice(at);
    if (rest.length > MAX_LINE) throw new Error("a line without an end");
  };
}
