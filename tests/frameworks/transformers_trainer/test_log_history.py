"""The Trainer's log as it is kept: exact, and written down once."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import torch

from colab_resume.errors import DamagedCheckpoint
from colab_resume.frameworks.transformers.log_history import LogHistory

_NAN = struct.unpack(">d", bytes.fromhex("7ff8000000000123"))[0]
_ENTRIES = [
    {"loss": 0.1 + 0.2, "epoch": 1, "step": 2},
    {"loss": _NAN, "least": -0.0, "most": float("inf"), "step": 2**70},
    {"$": "a", "text": "ü\n\ud800", "yes": True, "none": None},
]


def _bits(entries: list[Any]) -> list[Any]:
    return [{k: struct.pack(">d", v) if type(v) is float else repr(v) for k, v in entry.items()} for entry in entries]


def test_entries_come_back_in_type_and_bits() -> None:
    log = LogHistory()
    assert _bits(LogHistory().given_back(log.taken([*_ENTRIES]))) == _bits(_ENTRIES)


def test_a_save_writes_down_what_is_new() -> None:
    """What lies in whole pieces stays the same objects, also in a life that goes on."""
    entries = [{"loss": 1 / (i + 1), "step": i} for i in range(20_000)]
    log = LogHistory()
    first = log.taken(entries)["lines"]
    entries.append({"loss": 0.5, "step": 1})
    second = log.taken(entries)["lines"]
    assert len(first) > 2
    assert all(one is other for one, other in zip(first[:-1], second, strict=False))
    later = LogHistory()
    assert later.given_back({"lines": second}) == entries
    assert later.taken([*entries, {"step": 3}])["lines"][:-1] == second[:-1]
    assert later.taken(entries)["lines"] == second, "a shorter log is another one"


def test_an_entry_that_was_changed_is_written_down_anew() -> None:
    log, entries = LogHistory(), [dict(entry) for entry in _ENTRIES]
    log.taken(entries)
    entries[0]["loss"] = 7.0
    assert _bits(LogHistory().given_back(log.taken(entries))) == _bits(entries)


def test_what_is_no_plain_entry_is_kept_as_it_is() -> None:
    """A tensor, a list in an entry."""
    entries = [{"loss": torch.ones(2)}, {"several": [1, 2]}]
    found = LogHistory().given_back(LogHistory().taken(entries))
    assert torch.equal(found[0]["loss"], torch.ones(2))
    assert found[1] == entries[1]


@pytest.mark.parametrize("lines", [b"{", b"[1", b'{"$": "tensor", "piece": 0}\n'])
def test_lines_that_nobody_wrote_are_refused(lines: bytes) -> None:
    with pytest.raises(DamagedCheckpoint):
        LogHistory().given_back({"lines": [lines]})
