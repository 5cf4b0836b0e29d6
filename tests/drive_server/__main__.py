"""The server as a process of its own, for benchmarks: `python -m drive_server --latency 0.05 --rate 40e6`.

It prints its URL, its token endpoint and a token, one a line, and serves until its standard input ends, so that it
never outlives who started it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .server import DriveServer

__all__: list[str] = []


def main() -> None:
    parser = argparse.ArgumentParser(prog="drive_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds for each request")
    parser.add_argument("--rate", type=float, default=None, help="bytes a second, each way, for all together")
    parser.add_argument("--quota", type=int, default=None, help="bytes")
    parser.add_argument("--data", type=Path, default=None, help="the folder in which contents are kept")
    asked = parser.parse_args()
    server = DriveServer(port=asked.port, latency=asked.latency, rate=asked.rate, quota=asked.quota, folder=asked.data)
    with server:
        sys.stdout.write(f"{server.url}\n{server.token_uri}\n{server.new_token()}\n{server.refresh_token}\n")
        sys.stdout.flush()
        sys.stdin.read()


main()
