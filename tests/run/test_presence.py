"""What a session says of itself on the disk, when two of its threads say something at the same moment."""

from __future__ import annotations

import threading
from pathlib import Path

from colab_resume.saving.presence import Presence
from colab_resume.sessions.identity import SessionRecord

__all__: list[str] = []

_LONG_ENOUGH = 0.3
"""Seconds in which the second thread would have written, if it did not wait for the first."""


def test_a_sign_of_life_does_not_come_after_the_end(tmp_path: Path) -> None:
    """The writer has seen the session alive and is slow to say so; meanwhile the loop says that it was interrupted."""
    presence = Presence("abc123", None, place="", takeover=False, tell=lambda line: None)
    seen, go_on = threading.Event(), threading.Event()

    def alive() -> SessionRecord:
        found = presence.now(step=7, saves=1, saving_seconds=0.0)
        seen.set()
        go_on.wait()
        return found

    def end() -> None:
        presence.end(presence.now(step=8, saves=1, saving_seconds=0.0), "interrupted", "")
        presence.write(lambda: presence.record, tmp_path)

    slow = threading.Thread(target=presence.write, args=(alive, tmp_path))
    slow.start()
    seen.wait()
    ending = threading.Thread(target=end)
    ending.start()
    ending.join(_LONG_ENOUGH)
    go_on.set()
    slow.join()
    ending.join()
    (written,) = (SessionRecord.from_bytes(path.read_bytes()) for path in tmp_path.glob("*.json"))
    assert (written.ended, written.step) == ("interrupted", 8)
