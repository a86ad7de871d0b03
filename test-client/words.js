// What a filter and a control frame say, in words.

import { visible } from "./json.js";
import { plural } from "./parts.js";

export const CONTROL = ["hub.open", "hub.live", "hub.gap", "hub.cursor", "hub.expiring", "hub.closing"];

const CLOSING = {
  __proto__: null,
  draining: "the service stops, or restarts",
  overloaded: "the service has as many connections as it takes",
  limited: "a limit of connections is reached",
  unavailable: "the service cannot reach its log",
  expired: "the token has ended",
  revoked: "the credential was revoked",
  lagging: "this connection fell too far behind",
  lifetime: "this connection was open as long as one may be",
  superseded: "a newer connection took this one's ticket",
};

/** Why a connection ends. */
export const closing = (reason) => CLOSING[reason] ?? `the service closes the connection: ${reason}`;

const GAPS = {
  __proto__: null,
  trimmed: (lost) => `${lost} that you asked for are no longer kept: they were older than the log's retention.`,
  rewound: (lost) => `The log went back to an earlier state, as after a restore: ${lost} that you had seen, or waited for, are not in it.`,
};

/** The seq at the end of a cursor. */
export const seqOf = (cursor) => Number(/(\d+)$/.exec(cursor ?? "")?.[1] ?? NaN);

/** What a control frame says. */
export function control(type, body) {
  switch (type) {
    case "hub.open": {
      const behind = seqOf(body.head) - seqOf(body.cursor);
      if (!(behind > 0)) return `Connected at the log's head, ${body.head}`;
      return `Connected at ${body.cursor}; the log has ${plural(behind, "event")} after it`;
    }
    case "hub.live":
      if (!(body.replayed > 0)) return "Live: what comes now comes as it is stored";
      return `Caught up: ${plural(body.replayed, "event")} replayed, live from here`;
    case "hub.gap": {
      const lost = body.lost > 0 ? `Up to ${plural(body.lost, "event")}` : "Events";
      const said = GAPS[body.reason]?.(body.reason === "rewound" ? lost.toLowerCase() : lost) ?? `${lost} are gone (${body.reason}).`;
      return `Gap: ${said} Asked for what follows ${body.requested}; goes on after ${body.resumed}.`;
    }
    case "hub.cursor":
      return `Nothing matched up to ${body.cursor}`;
    case "hub.expiring":
      return `The token ends in ${plural(body.seconds, "second")}, and this stream with it: set a new one`;
    case "hub.closing":
      return `The connection is closed: ${closing(body.reason)}`;
    default:
      return "";
  }
}

const either = (list) => (list.length < 2 ? list.join("") : `${list.slice(0, -1).join(", ")} or ${list.at(-1)}`);
const short = (name) => (name.length > 20 ? `${name.slice(0, 6)}…${name.slice(-4)}` : name);

/** A filter and a start as one would say them. */
export function sentence({ streams, users, topics, types }, start) {
  const any = [
    streams.length && `${streams.length > 1 ? "streams" : "stream"} ${either(streams.map(short))}`,
    users.length && `${users.length > 1 ? "users" : "user"} ${either(users.map(short))}`,
    topics.length && `${topics.length > 1 ? "topics" : "topic"} ${either(topics)}`,
  ].filter(Boolean);
  const about = any.length ? ` of ${any.join(", or of ")}` : "";
  const kinds = types.length ? `${any.length ? ", and" : ""} of ${types.length > 1 ? "types" : "type"} ${either(types)}` : "";
  const [kind, value] = start;
  const when = {
    now: "from now on",
    earliest: "from the earliest kept",
    since: value ? `since ${value.replace("T", " ")}` : "since …",
    cursor: `after cursor ${value || "…"}`,
  }[kind];
  return visible(`${about || kinds ? `Events${about}${kinds}` : "Every event"}, ${when}`);
}
