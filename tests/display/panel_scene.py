"""What the panel is shown in the browser's tests: the same training at its telling moments, and on the move.

A kernel imports it; nothing is trained, so that a picture of hour three takes no three hours. Whoever looks sees what
`Scene.look` gives, as `run.status` would.
"""

from __future__ import annotations

import gc
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from colab_resume.display.panel import Panel, open_panel
from colab_resume.status import Curve, Life, Progress, Sending, Status

__all__ = ["LIVES", "MOMENTS", "NOW", "Scene", "later"]

NOW = 1_795_000_000.0
PLACE = "checkpoints go to Google Drive (MyDrive/colab_resume): they survive this VM"
PROOF = "Drive says when nothing of a file waits to be uploaded any more"
PACE = 0.19
BATCHES = 400


def _losses(last: int, restarts: tuple[int, ...] = ()) -> Curve:
    draw = random.Random(7)
    steps = range(1, last + 1, max(1, last // 300))
    points = tuple(
        (step, 0.16 + 2.1 * math.exp(-step / 420) + draw.gauss(0, 0.05) * math.exp(-step / 1500)) for step in steps
    )
    return Curve(name="loss", points=points, restarts=restarts)


def _at(step: int, **facts: Any) -> Status:
    """A training at this step, all well."""
    status = Status(
        run="digits",
        session="k3f9a2",
        at=NOW,
        place=PLACE,
        remote_name="Drive",
        step=step,
        progress=Progress(
            epoch=step // BATCHES, epochs=10, batch=step % BATCHES, batches=BATCHES, seconds_per_step=PACE
        ),
        curve=_losses(step),
        saved=step - 12,
        saved_at=NOW - 12 * PACE,
        sent=step - 170,
        sent_at=NOW - 170 * PACE,
        safe=step - 170,
        safe_at=NOW - 170 * PACE,
        sending=Sending(step=step - 12, sent=41_300_000, size=128_000_000, seconds=4.9),
        disk_free=61_200_000_000,
        remote_free=9_400_000_000,
        saves=step // 160,
        stall_seconds=0.0071 * step * PACE,
        loop_seconds=step * PACE,
        cadence="every 30 s: never more often; it costs 0.71% of the time",
        proof=PROOF,
    )
    return replace(status, **facts)


def _lost(step: int = 1412, **facts: Any) -> Status:
    return _at(
        step,
        **{
            "happened": "new VM: the last one went silent 14:02:11, 1 h 22 min ago",
            "restored": 1240,
            "restore_seconds": 3.4,
            "set_aside": ("0000001265-m81xq0: 0000001265-m81xq0-1.safetensors is not there as a whole",),
            "lost_steps": 25,
            "lost_seconds": 38.0,
            "restarts": 3,
            "replay": "25 of 25 losses bit-identical",
            "curve": _losses(step, (310, 705, 1240)),
            "lives": LIVES,
            **facts,
        },
    )


MACHINE = "Colab, Tesla T4"
LIVES = (
    Life(
        session="a41c07",
        began=NOW - 24_000,
        last_sign=NOW - 20_500,
        last_step=335,
        lost_steps=25,
        lost_seconds=38.0,
        saves=12,
        saving_seconds=25.0,
        machine=MACHINE,
        why="first start",
    ),
    Life(
        session="p09dd1",
        began=NOW - 19_800,
        last_sign=NOW - 15_000,
        ended="interrupted",
        first_step=310,
        last_step=705,
        saves=20,
        saving_seconds=34.0,
        machine=MACHINE,
        why="new VM",
    ),
    Life(
        session="m81xq0",
        began=NOW - 14_400,
        last_sign=NOW - 4_920,
        first_step=705,
        last_step=1265,
        lost_steps=25,
        lost_seconds=38.0,
        saves=31,
        saving_seconds=61.0,
        machine=MACHINE,
        why="new VM",
    ),
    Life(
        session="k3f9a2",
        began=NOW - 320,
        last_sign=NOW,
        lives=True,
        first_step=1240,
        last_step=1412,
        saves=2,
        saving_seconds=2.0,
        machine=MACHINE,
        why="new VM",
    ),
)

FULL = (
    "the remote is behind: cannot store /content/drive/MyDrive/colab_resume/digits/packs/"
    "0000002198-k3f9a2-0.safetensors: Drive is full\n"
    "  -> old checkpoints of this run make room where there are some; else free space on Drive, also in its trash"
)

_ALL_SAFE = {
    "sending": None,
    "saved": 4000,
    "saved_at": NOW - 31,
    "sent": 4000,
    "sent_at": NOW - 31,
    "safe": 4000,
    "safe_at": NOW - 31,
}
_STUCK = {"sending": None, "sent": 1240, "sent_at": NOW - 184, "safe": 1240, "safe_at": NOW - 184}

MOMENTS: dict[str, Callable[[], Status]] = {
    "first run": lambda: Status(
        run="digits",
        session="k3f9a2",
        at=NOW,
        place=PLACE,
        remote_name="Drive",
        proof=PROOF,
        disk_free=61_200_000_000,
        remote_free=9_400_000_000,
        cadence="at the first boundary: what saving costs is not measured yet",
    ),
    "mid-run": lambda: _at(1612, seconds_left=11_520.0),
    "after a VM loss": _lost,
    "Drive full": lambda: _at(2210, **_STUCK, remote_free=2_100_000, problems=(FULL,)),
    "finished": lambda: _lost(
        4000, **_ALL_SAFE, ended="clean", progress=Progress(epoch=9, epochs=10, batch=BATCHES, batches=BATCHES)
    ),
}


def later(status: Status, steps: int) -> Status:
    """The same training, so many steps later; what is saved where stays."""
    step, sending = status.step + steps, status.sending
    assert status.progress is not None
    return replace(
        status,
        step=step,
        at=status.at + steps * PACE,
        progress=replace(status.progress, epoch=step // BATCHES, batch=step % BATCHES),
        sending=sending and replace(sending, sent=min(sending.size, sending.sent + 300_000 * steps)),
    )


class Scene:
    """A panel over a moment, and what a cell can do with it."""

    def __init__(self, moment: str = "mid-run") -> None:
        self.status = MOMENTS[moment]()
        panel = open_panel(self.look)
        assert panel is not None
        self.panel: Panel = panel

    def look(self) -> Status:
        return self.status

    def go_to(self, moment: str) -> None:
        """Show this moment."""
        self.status = MOMENTS[moment]()
        self.panel.refresh()

    def advance(self, steps: int = 1) -> None:
        """So many steps more."""
        self.status = later(self.status, steps)

    def train_until(self, stop: str) -> None:
        """Train as a cell does, until there is a file of this name."""
        while not Path(stop).exists():
            self.advance()
            time.sleep(0.01)

    def update(self, *, turns: int, times: int) -> Iterator[str]:
        """Go on and be seen, so many times a turn; what a turn sent, and what the kernel holds after it, as JSON.

        A turn begins when there is a file `turn N`: a kernel drops the outputs that a page is more than a thousand
        behind with.
        """
        for turn in range(1, turns + 1):
            while not Path(f"turn {turn}").exists():
                time.sleep(0.01)
            sizes: list[int] = []
            with _counted(sizes):
                for _ in range(times):
                    self.advance()
                    self.panel.refresh()
            yield json.dumps({"messages": len(sizes), "bytes": sum(sizes), "kernel": _resident()})


@contextmanager
def _counted(sizes: list[int]) -> Iterator[None]:
    """The size of each message about widgets that this kernel sends in this block."""
    session = sys.modules["IPython"].get_ipython().kernel.session
    send = session.send

    def counting(*args: Any, **options: Any) -> Any:
        message = send(*args, **options)
        if message["header"]["msg_type"].startswith("comm_"):
            sizes.append(len(json.dumps(message["content"])))
        return message

    session.send = counting
    try:
        yield
    finally:
        session.send = send


def _resident() -> int:
    """Bytes of memory that this process holds, after the rubbish was taken out."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
