# /// script
# requires-python = ">=3.11"
# dependencies = ["httpx==0.28.1", "httpx-sse==0.4.3"]
# ///
"""Follows a subscription for as long as it runs, across restarts of the service and of itself.

    uv run examples/python/subscriber.py 'http://127.0.0.1:3001/events/subscribe?all=true' cursor.txt

or, without uv, `pip install httpx==0.28.1 httpx-sse==0.4.3` and `python examples/python/subscriber.py …`.

Every event is one line of JSON on stdout; what happens to the connection is told on stderr. The cursor stands in the file from one run to
the next. It is written after the event was: a power cut between the two shows that one event again, so a consumer for which that matters
stores the cursor in the transaction that stores the event's effect. A credential (a JWT, or an API key) is taken from CHAINCAST_TOKEN. Ends
with 0 on SIGTERM or Ctrl-C, and with 1 when the service will not have it back: a refusal that says so, or a credential that ended.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from httpx_sse import EventSource, ServerSentEvent

SILENCE = 45.0
"""Longer than the service's heartbeat of 15 s: a silence of this length is a broken connection."""
LONGEST_PAUSE = 30.0
FINAL = {"expired", "revoked", "superseded"}


class Ended(Exception):
    """The service will not have this subscription back."""


class Interrupted(ConnectionError):
    """The connection is gone, or was refused for now; `retry_after` is what the service asked for."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Subscription:
    """One subscription over as many connections as it takes. `cursor` is where to resume once all messages so far have been handled."""

    def __init__(self, url: str, cursor: str | None = None, token: str | None = None) -> None:
        self.url = url
        self.cursor = cursor
        self._retry = 2.0
        self._failures = 0
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(10.0, read=SILENCE))

    def messages(self) -> Iterator[ServerSentEvent]:
        """Events, `hub.gap` and what moves the cursor; raises `Ended` when there is no coming back."""
        while True:
            try:
                yield from self._connection()
                raise Interrupted("the stream ended")
            except (Interrupted, httpx.TransportError) as why:
                if isinstance(why, Interrupted) and why.retry_after is not None:
                    self._retry = why.retry_after
                self._failures += 1
                pause = self._pause()
                print(f"{why}; coming back in {pause:.1f} s", file=sys.stderr)
                time.sleep(pause)

    def _connection(self) -> Iterator[ServerSentEvent]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.cursor:
            headers["Last-Event-ID"] = self.cursor
        with self._client.stream("GET", self.url, headers=headers) as response:
            self._check(response)
            # httpx-sse carries an id over to blocks that have none, within a connection: what it says is always where to resume
            for message in EventSource(response).iter_sse():
                if message.retry is not None:
                    self._retry = message.retry / 1000
                if message.event == "hub.closing":
                    reason = json.loads(message.data)["reason"]
                    if reason in FINAL:
                        raise Ended(f"the service ended the stream: {reason}")
                    raise Interrupted(f"the service closes: {reason}")
                if message.event == "hub.live":
                    self._failures = 0
                if message.id:
                    self.cursor = message.id
                if message.data:
                    yield message

    def _check(self, response: httpx.Response) -> None:
        """An answer that is a stream is followed; one that will be another later is waited for; every other is the end."""
        if response.status_code == 429 or response.is_server_error:
            after = response.headers.get("Retry-After", "")
            raise Interrupted(f"the service answered {response.status_code}", float(after) if after.isdigit() else None)
        if response.status_code != 200 or not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            raise Ended(f"{self.url} answered {response.status_code}: {response.read().decode(errors='replace')}")

    def _pause(self) -> float:
        """What the service asked for, doubled with every failure after the first.

        Up to half as long again, so that clients that were cut off together do not come back together.
        """
        shortest = min(self._retry * 2 ** min(self._failures - 1, 6), max(LONGEST_PAUSE, self._retry))
        return shortest * random.uniform(1.0, 1.5)


def save(path: Path, cursor: str) -> None:
    """Renamed into place: whoever is killed here leaves the old cursor or the new one, and never half of one."""
    new = path.with_name(path.name + ".new")
    new.write_text(cursor + "\n")
    new.replace(path)


def follow(url: str, path: Path) -> None:
    saved = path.read_text().strip() if path.exists() else ""
    subscription = Subscription(url, saved or None, os.environ.get("CHAINCAST_TOKEN"))
    for message in subscription.messages():
        # a signal waits until the event and its cursor are both written
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        if message.event == "hub.gap":
            # whoever builds a state from events takes a snapshot of it here, from GET /events or elsewhere, before going on
            print(f"events are gone: {message.data}", file=sys.stderr)
        elif message.event == "hub.live":
            print("live", file=sys.stderr)
        elif not message.event.startswith("hub."):
            print(message.data, flush=True)
        if subscription.cursor:
            save(path, subscription.cursor)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


STOPS = {signal.SIGTERM, signal.SIGINT}


def stop(*_: object) -> None:
    sys.exit(0)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: subscriber.py URL CURSOR_FILE")
    for number in STOPS:
        signal.signal(number, stop)
    try:
        follow(sys.argv[1], Path(sys.argv[2]))
    except Ended as end:
        sys.exit(str(end))


if __name__ == "__main__":
    main()
