"""What a journal consists of: records, each a line of JSON, and marks that say how much of it belongs together.

`{"step": 7, "epoch": 0, "values": {"loss": 0.25, "lr": {"bits": "7ff0000000000000"}}}`

A value comes back as the same type with the same bits: finite floats are written by `repr`, which round-trips; NaN
(with its payload) and infinities as their eight bytes in hex. What is read comes from a shared folder: whatever this
module could not have written is refused.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from ..checkpoints.strict_json import parse
from ..errors import DamagedCheckpoint, UsageError
from ..sessions.identity import is_session_id

__all__ = ["Mark", "Record", "Scalar", "as_line", "bits", "checked_record", "json_object", "parse_record"]

Scalar = float | int | bool | str | None

_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Record:
    """What one call of `log` said."""

    step: int
    epoch: int | None
    values: Mapping[str, Scalar]
    session: str

    def line(self) -> bytes:
        content: dict[str, object] = {"step": self.step}
        if self.epoch is not None:
            content["epoch"] = self.epoch
        content["values"] = {
            name: {"bits": bits(value)} if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in self.values.items()
        }
        return as_line(content)


@dataclass(frozen=True)
class Mark:
    """How much of which journal belongs to a checkpoint."""

    session: str
    bytes: int
    sha256: str

    def to_json(self) -> dict[str, object]:
        return {"session": self.session, "bytes": self.bytes, "sha256": self.sha256}

    @classmethod
    def from_json(cls, content: object) -> Mark:
        """Strict: whatever `to_json` could not have made is refused."""
        if isinstance(content, dict) and content.keys() == {"session", "bytes", "sha256"}:
            session, size, sha256 = content["session"], content["bytes"], content["sha256"]
            hashed = isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256)
            if is_session_id(session) and _is_count(size) and hashed:
                return cls(session, size, sha256)
        raise DamagedCheckpoint(
            "the journal's mark is not a mark: it needs a session, a number of bytes and their sha256",
            hint="use an older checkpoint; the weights of this one may be intact",
        )


def as_line(content: Mapping[str, object]) -> bytes:
    return _to_json(content).encode("ascii") + b"\n"


def bits(value: float) -> str:
    return struct.pack(">d", value).hex()


def checked_record(step: int, values: Mapping[str, Scalar], epoch: int | None, session: str) -> Record:
    """A record of plain values, or a `UsageError` that names what cannot be one."""
    return Record(
        _checked_count("step", step),
        None if epoch is None else _checked_count("epoch", epoch),
        {_checked_name(name): _checked_value(name, value) for name, value in values.items()},
        session,
    )


def parse_record(line: bytes, session: str) -> Record:
    content = json_object(line)
    step, epoch, values = content.get("step"), content.get("epoch"), content.get("values")
    known = content.keys() <= {"step", "epoch", "values"} and ("epoch" not in content or _is_count(epoch))
    if not (known and _is_count(step) and isinstance(values, dict)):
        raise ValueError("not a record")
    if not all(map(_is_unicode, values)):
        raise ValueError("a name holds half a character")
    return Record(step, epoch, {name: _parse_value(value) for name, value in values.items()}, session)


def json_object(line: bytes) -> dict[str, Any]:
    content = parse(line)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content


def _parse_value(value: object) -> Scalar:
    if value is None or isinstance(value, float | int) or (isinstance(value, str) and _is_unicode(value)):
        return value
    if isinstance(value, dict) and value.keys() == {"bits"}:
        text = value["bits"]
        if isinstance(text, str) and re.fullmatch("[0-9a-f]{16}", text):
            return float(struct.unpack(">d", bytes.fromhex(text))[0])
    raise ValueError("not a value of a record")


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 2**63


def _checked_count(what: str, value: int) -> int:
    if _is_count(value):
        return value
    raise UsageError(f"{what} is {value!r}, not a whole number from 0 on", hint=f"pass the {what} as an int")


def _checked_name(name: str) -> str:
    if isinstance(name, str) and _is_unicode(name):
        return str.__str__(name)
    raise UsageError(f"{name!r} cannot name a metric", hint="name it with a str")


def _checked_value(name: str, value: Scalar) -> Scalar:
    """Without its subclass (an enum, `numpy.float64`): a reader knows only the plain types."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        if -(2**63) <= value < 2**64:
            return int(value)
        raise UsageError(f"metric {name!r} needs more than 64 bits", hint="log it as a str or a float")
    if isinstance(value, str):
        if _is_unicode(value):
            return str.__str__(value)
        raise UsageError(f"metric {name!r} holds half a character (a lone surrogate)", hint="log its repr()")
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    raise UsageError(f"metric {name!r} is a {kind}", hint="log a float, int, bool, str or None, e.g. loss.item()")


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
