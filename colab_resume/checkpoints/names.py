"""The names of checkpoints and packs: they say when and by whom, are used once, and are safe as file names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import UsageError

__all__ = ["NAME", "PACK", "checkpoint_name", "journal_copy", "pack_name", "whole_journals"]

NAME = re.compile(r"([0-9]{10})-([a-z0-9]{6})(?:\.[1-9][0-9]{0,5})?")
"""A checkpoint's name: step, session, and a serial number from the second one of a step on. Match it whole."""

PACK = re.compile(rf"({NAME.pattern})-(0|[1-9][0-9]{{0,5}})\.safetensors")
"""A pack's file name: the checkpoint it was written for, and a number. Match it whole."""

_JOURNAL = re.compile(r"([a-z0-9]{6})(?:-(0|[1-9][0-9]{0,15}))?\.jsonl")

_STEPS = 10**10


def checkpoint_name(step: int, session: str, serial: int = 0) -> str:
    """The name of the checkpoint that `session` takes at `step`; `serial` counts those of the same step."""
    if type(step) is not int or not 0 <= step < _STEPS:
        raise UsageError(f"{step!r:.60} is not a step", hint="Give a whole number from 0 to 9999999999.")
    name = f"{step:010d}-{session}" + (f".{serial}" if serial else "")
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{session!r:.60} and {serial!r:.20} are not a session and a serial number",
            hint="Give six characters of a-z and 0-9, and a small number.",
        )
    return name


def pack_name(checkpoint: str, number: int) -> str:
    """The file name of one of the packs written for `checkpoint`."""
    name = f"{checkpoint}-{number}.safetensors"
    if not PACK.fullmatch(name):
        raise UsageError(f"{name!r:.90} is not the name of a pack", hint="Give a checkpoint's name and a number.")
    return name


def journal_copy(session: str, size: int) -> str:
    """The file name of a remote's copy of a journal: it says how long the copy is, so that a torn one is known."""
    return f"{session}-{size}.jsonl"


def whole_journals(files: Iterable[tuple[str, int]]) -> dict[str, tuple[int, str]]:
    """The length and the file name of the longest whole journal of each session, among files of these names and sizes.

    On the VM's disk a journal is `<session>.jsonl` and grows; on a remote each copy is written once.
    """
    found: dict[str, tuple[int, str]] = {}
    for name, size in files:
        match = _JOURNAL.fullmatch(name)
        if match is not None and match[2] in (None, str(size)):
            found[match[1]] = max(found.get(match[1], (-1, "")), (size, name))
    return found
