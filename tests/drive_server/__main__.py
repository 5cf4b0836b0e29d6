"""The server as a process of its own, for benchmarks: `python -m drive_server --latency 0.05 --rate 40e6`.

It prints its URL, its token endpoint, a token, a refresh token and the path of a service account's key file, one a
line, and serves until its standard input ends, so that it never outlives who started it. Each line of that input is an
order: `carried` prints how many bytes have come and gone so far, as JSON; `lose N` breaks all uploads off, once, N
bytes from now.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from .server import DriveServer

__all__: list[str] = []


def main() -> None:
    parser = argparse.ArgumentParser(prog="drive_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds for each request")
    parser.add_argument("--rate", type=float, default=None, help="bytes a second, each way, for all together")
    parser.add_argument("--names-at-once", action="store_true", help="lists by name do not lag, as rclone relies on")
    parser.add_argument("--quota", type=int, default=None, help="bytes")
    parser.add_argument("--data", type=Path, default=None, help="the folder in which contents are kept")
    asked = parser.parse_args()
    server = DriveServer(port=asked.port, latency=asked.latency, rate=asked.rate, quota=asked.quota, folder=asked.data)
    server.account.name_index_lag = not asked.names_at_once
    with server, tempfile.NamedTemporaryFile("w", suffix=".json") as key:
        json.dump(server.service_account(), key)
        key.flush()
        sys.stdout.write(
            f"{server.url}\n{server.token_uri}\n{server.new_token()}\n{server.refresh_token}\n{key.name}\n"
        )
        sys.stdout.flush()
        for order in sys.stdin:
            _obey(server, order.split())


def _obey(server: DriveServer, order: list[str]) -> None:
    match order:
        case ["carried"]:
            sys.stdout.write(json.dumps({"up": server.link.up.carried, "down": server.link.down.carried}) + "\n")
            sys.stdout.flush()
        case ["lose", after]:
            server.link.up.lose(int(after))


main()
