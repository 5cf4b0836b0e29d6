"""A VM for a training: a forked process that can be killed for real, and whose result comes back as JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, TextIO

__all__ = ["KILLED", "die", "live"]

KILLED = -signal.SIGKILL


def die() -> None:
    """What happens to a VM: the process is gone, at this very place."""
    os.kill(os.getpid(), signal.SIGKILL)


def live(body: Callable[[], Any]) -> tuple[int, Any]:
    """Run `body` in a process of its own; returns its exit status (`KILLED` if it died) and what it returned.

    Whatever the process leaves behind dies with it, as on a VM: workers of a killed training live on for seconds.
    """
    with tempfile.TemporaryFile("w+") as result:
        process = os.fork()
        if process == 0:
            _be_a_vm(body, result)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        result.seek(0)
        text = result.read()
    return status, json.loads(text) if text else None


def _be_a_vm(body: Callable[[], Any], result: TextIO) -> NoReturn:
    status = 1
    try:
        os.setsid()
        json.dump(body(), result)
        result.flush()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here and says so
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)
