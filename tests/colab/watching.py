"""How a test runs the lesson in a notebook, and what it then asks the run and the cloud."""

from __future__ import annotations

import json
from typing import Any

from colab.cells import Cell
from colab.desk import Desk
from colab.lesson import CELL, TOLD
from colab.notebook import Notebook
from colab.stories import SETUP, records_in
from colab.vm import Vm

__all__ = ["OPEN", "STATUS", "began_by_on_drive", "result", "status", "steps_on_drive", "train", "until_at"]

OPEN = "import colab_resume\n" + SETUP.format(every=5, takeover=False)
_FIELDS = ["happened", "advice", "lost_steps", "lost_seconds", "restarts", "restored", "step"]
STATUS = (
    f"{{name: getattr(run.status(), name) for name in {_FIELDS}}} "
    "| {'kinds': [life.why for life in run.status().lives], 'ends': [life.ended for life in run.status().lives]}"
)


def train(notebook: Notebook, *, takeover: bool = False, **plan: Any) -> Cell:
    """Begin the lesson, at a pace at which something can happen to it."""
    setup = SETUP.format(every=5, takeover=takeover)
    return notebook.start(CELL.format(plan={"pace": 0.02, "meet": [["step", 8]]} | plan, setup=setup))


def until_at(notebook: Notebook, place: str, count: int) -> None:
    """Until the lesson comes by there."""
    sign, told = json.dumps([place, count]), notebook.vm.path(TOLD)
    notebook.vm.desk.until(lambda: told.exists() and sign in told.read_text(), 60, sign, nudge=0.02)


def status(notebook: Notebook) -> dict[str, Any]:
    """After `setup` in a cell of its own."""
    notebook.run(OPEN)
    found: dict[str, Any] = notebook.value(STATUS)
    return found


def began_by_on_drive(desk: Desk, kind: str) -> None:
    """What the newest record on Drive says, as soon as it is there."""
    folder = desk.cloud / "colab_resume" / "story" / "sessions"

    def newest() -> str:
        found = records_in(folder).values()
        return max(found, key=lambda record: record.started).began_by if found else ""

    desk.until(lambda: newest() == kind, 30, f"{kind!r} in a record on Drive", nudge=0.05)


def result(vm: Vm) -> dict[str, Any]:
    """What the lesson has come to; nothing of ours may be left over."""
    told = json.loads(vm.path(TOLD).read_text().splitlines()[-1])
    assert (told["threads"], told["children"]) == ([], []), {**told, "result": ""}
    found: dict[str, Any] = told["result"]
    return found


def steps_on_drive(desk: Desk) -> list[int]:
    """The steps of the checkpoints that Drive has."""
    return sorted(
        int(path.name[:10]) for path in (desk.cloud / "colab_resume" / "story" / "checkpoints").glob("*.json")
    )
