"""Holds a running service to openapi/openapi.json, with schemathesis: once in open mode, once with a super-admin's token.

    python tests/schemathesis/run.py CHAINCAST_BINARY [SCHEMATHESIS_OPTION…]

The Python is one that has tests/requirements.txt; `authorised.toml` and `open.toml` say what is checked. Both services listen on loopback,
keep their log in a directory that is removed, and are stopped here. Ends with 1 when a check fails, or when a run ended with the service
gone or the token revoked: all that followed would have been refused unseen.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECRET = "a secret of the tests, thirty-two bytes or more"


def token(rights: dict[str, object]) -> str:
    """A JWT that the service takes for an hour."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    claims = {"sub": "schemathesis", "jti": "schemathesis", "iat": int(time.time()), "exp": int(time.time()) + 3600, "chaincast": rights}
    signed = ".".join(part(json.dumps(value).encode()) for value in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{part(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256))}"


def status(url: str, bearer: str = "") -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {bearer}"} if bearer else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


@contextmanager
def service(binary: str, settings: dict[str, str]) -> Iterator[str]:
    """The base URL of a service of its own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="chaincast-schemathesis-") as directory, open(f"{directory}/output", "w+b") as output:
        environment = {"PATH": os.environ["PATH"], "CHAINCAST_LISTEN": address, "CHAINCAST_DRAIN_SECONDS": "1", **settings}
        process = subprocess.Popen([binary], cwd=directory, env=environment, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 30
            while not ready(f"http://{address}"):
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    sys.exit(f"{binary} did not start:\n{output.read().decode(errors='replace')}")
                time.sleep(0.05)
            yield f"http://{address}"
            if process.poll() is not None:
                sys.exit(f"the service ended by itself with {process.returncode}")
        finally:
            process.terminate()
            process.wait(30)


def ready(url: str) -> bool:
    try:
        return status(f"{url}/health/ready") == 200
    except OSError:
        return False


def check(name: str, binary: str, settings: dict[str, str], bearer: str, options: list[str]) -> bool:
    print(f"\n== schemathesis, {name}", flush=True)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(HERE / f"{name}.toml"), "run", str(ROOT / "openapi/openapi.json")),
    ]
    # what it keeps for a next run is not for the tree
    with service(binary, settings) as url, tempfile.TemporaryDirectory(prefix="schemathesis-") as place:
        environment = os.environ | {"TOKEN": bearer}
        passed = subprocess.run([*command, "--url", url, *options], env=environment, check=False, cwd=place).returncode == 0
        if status(f"{url}/events/stats", bearer) != 200:
            print("the credential of the run is not taken any more: what followed was refused, and proves nothing")
            passed = False
    return passed


def main() -> int:
    binary, *options = sys.argv[1:]
    binary = str(Path(binary).resolve())
    everything = {"publish": {"types": ["**"]}, "subscribe": {"all": True}, "role": "super_admin"}
    results = [
        check("open", binary, {}, "", options),
        check("authorised", binary, {"CHAINCAST_JWT_SECRET": SECRET}, token(everything), options),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
