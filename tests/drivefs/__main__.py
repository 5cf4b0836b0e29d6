"""The process of one mount and its guard: `python -m drivefs LIFELINE MOUNTPOINT CLOUD CACHE CONTROL CONDITIONS`."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from drivefs.account import Account
from drivefs.cache import Cache
from drivefs.conditions import Conditions
from drivefs.guard import guard
from drivefs.operations import DriveOperations
from drivefs.uploads import Uploads
from mfusepy import FUSE

__all__: list[str] = []


def serve(mountpoint: str, cloud: str, folder: str, control: socket.socket, conditions: Conditions) -> None:
    """Be the file system, until it is unmounted or this process is killed."""
    uploads = Uploads(Cache(Path(folder), Account(Path(cloud))), conditions)

    def begin() -> None:
        uploads.start()
        threading.Thread(target=obey, args=(control, uploads), daemon=True).start()

    # Nothing about a file is remembered by the kernel: another VM, or an upload, may change it.
    FUSE(
        DriveOperations(uploads.cache, uploads, begin),
        mountpoint,
        foreground=True,
        nothreads=False,
        fsname="drive",
        subtype="drive",
        allow_other=True,
        default_permissions=True,
        attr_timeout=0.0,
        entry_timeout=0.0,
        negative_timeout=0.0,
    )


def obey(control: socket.socket, uploads: Uploads) -> None:
    """Do what the test says and answer when it is done; the first line says that the mount is there."""
    with control, control.makefile("rw", encoding="utf-8") as stream:
        print(json.dumps({"answer": None}), file=stream, flush=True)
        for line in stream:
            try:
                answer = {"answer": _do(uploads, **json.loads(line))}
            except Exception as error:  # noqa: BLE001 - it is the test that must hear of it
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=stream, flush=True)


def _do(uploads: Uploads, verb: str, value: Any) -> Any:
    if verb == "change":
        return uploads.change(Conditions.from_json(value))
    if verb == "upload":
        uploads.upload(value)
        return uploads.pending()
    if verb == "settle":
        return [uploads.settle(value), uploads.pending()]
    return uploads.pending()


def main() -> None:
    lifeline, mountpoint, cloud, folder, control, conditions = sys.argv[1:]
    orders, line = socket.socket(fileno=int(control)), socket.socket(fileno=int(lifeline))
    if (server := os.fork()) == 0:
        line.close()
        serve(mountpoint, cloud, folder, orders, Conditions.from_json(conditions))
        os._exit(0)
    orders.close()
    guard(server, line, mountpoint)


if __name__ == "__main__":
    main()
