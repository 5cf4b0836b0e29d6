"""What callbacks have learned: how it is taken and put back.

Keras resets many of them when a `fit` begins, and saves none. Kept are the attributes that differ from what they were
before the first `fit`, so that a path or a patience stays as the user's code sets it now: values, Keras variables, and
the comparison that a monitoring callback has chosen, since choosing it again would turn the sign of its `min_delta`. A
callback with `state_dict` and `load_state_dict` says itself what it needs. The table of a CSVLogger is kept with the
rest: else a new VM would have none, and one that goes on would hold rows twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import KerasTensor, Layer, Loss, Metric, Optimizer, Variable, ops
from keras.callbacks import CSVLogger

from ...training.data.attached import Attached
from .attributes import is_kept, kept, mark

__all__ = ["Memories", "lean"]

_FROM_KERAS = ("_log_write_dir", "_model", "_train_dir", "_val_dir", "model", "params")
_LARGE = 1 << 16


class Memories:
    """Those of all callbacks of a model's fits."""

    def __init__(self) -> None:
        self._as_made: Attached[dict[str, Any]] = Attached()

    def meet(self, callbacks: Iterable[Any]) -> None:
        """A `fit` is about to begin with these."""
        for callback in callbacks:
            if self._as_made.get(callback) is None:
                self._as_made.set(callback, {name: kept(value) for name, value in _values(callback).items()})

    def taken(self, callbacks: Iterable[Any]) -> list[dict[str, Any]]:
        """What each of them knows now."""
        return [
            {"class": _name(callback), "of Keras": _is_kerass(callback), **self._taken(callback)}
            for callback in callbacks
        ]

    def put(self, saved: Sequence[Mapping[str, Any]], callbacks: Sequence[Any]) -> list[str]:
        """Give it back to callbacks of the same classes; returns a line for whatever begins as it is made."""
        waiting = dict(zip(_keys([entry["class"] for entry in saved]), saved, strict=True))
        lines = []
        for key, callback in zip(_keys([_name(callback) for callback in callbacks]), callbacks, strict=True):
            if (entry := waiting.pop(key, None)) is None:
                lines.append(f"callback {key[0]} was not there when the checkpoint was made; it begins as it is")
                continue
            self._put(entry, callback)
            if lost := _not_kept(callback):
                lines.append(f"callback {key[0]} begins with {', '.join(lost)} as made: such values cannot be kept")
        return lines + [f"callback {name} is in the checkpoint, and not in this fit" for name, _ in waiting]

    def _taken(self, callback: Any) -> dict[str, Any]:
        if _says_itself(callback):
            return {"values": {}, "state": callback.state_dict()}
        as_made, now = self._as_made.get(callback) or {}, _values(callback)
        return {
            "values": {name: kept(value) for name, value in now.items() if _differs(value, as_made, name)},
            "functions": {name: found for name, value in vars(callback).items() if (found := _name_in_ops(value))},
            "variables": {
                name: np.array(ops.convert_to_numpy(value))
                for name, value in vars(callback).items()
                if isinstance(value, Variable)
            },
            "table": _table(callback),
        }

    def _put(self, entry: Mapping[str, Any], callback: Any) -> None:
        if "state" in entry:
            callback.load_state_dict(entry["state"])
            return
        as_made = self._as_made.get(callback) or {}
        for name, value in [*vars(callback).items()]:
            if name in as_made and (_name_in_ops(value) or (is_kept(value) and _differs(value, as_made, name))):
                setattr(callback, name, kept(as_made[name]))
        for name, value in entry["values"].items():
            setattr(callback, name, kept(value))
        for name, found in entry["functions"].items():
            setattr(callback, name, getattr(ops, found))
        for name, value in entry["variables"].items():
            vars(callback)[name].assign(value)
        if entry["table"] is not None:
            _write_table(callback, entry["table"])


def lean(saved: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same without large arrays of Keras's own callbacks, for a `fit` that is long over: they begin anew anyway."""
    return [{**entry, "values": _small(entry["values"])} if entry["of Keras"] else dict(entry) for entry in saved]


def _small(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if _size(value) <= _LARGE}


def _values(callback: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(callback).items() if name not in _FROM_KERAS and is_kept(value)}


def _differs(value: Any, as_made: Mapping[str, Any], name: str) -> bool:
    return name not in as_made or mark(value) != mark(as_made[name])


def _table(callback: Any) -> bytes | None:
    if not isinstance(callback, CSVLogger) or not Path(callback.filename).is_file():
        return None
    return Path(callback.filename).read_bytes()


def _write_table(logger: CSVLogger, table: bytes) -> None:
    """It begins a table with the names of its columns, unless it is told that they are there."""
    is_open = logger.csv_file is not None
    if is_open:
        logger.csv_file.close()
    Path(logger.filename).write_bytes(table)
    if is_open:
        logger.csv_file = Path(logger.filename).open("a")  # noqa: SIM115 - the callback closes it
        logger.writer = None
        logger.append_header = logger.append_header and not table


def _not_kept(callback: Any) -> list[str]:
    """Attributes of a user's own callback that a restart leaves as they are made, and that may matter."""
    if _is_kerass(callback) or _says_itself(callback):
        return []
    harmless = (Layer, Loss, Metric, Optimizer, Variable, KerasTensor)
    return [
        name
        for name, value in vars(callback).items()
        if name not in _FROM_KERAS and not is_kept(value) and not callable(value) and not isinstance(value, harmless)
    ]


def _says_itself(callback: Any) -> bool:
    return callable(getattr(callback, "state_dict", None)) and callable(getattr(callback, "load_state_dict", None))


def _name_in_ops(value: Any) -> str:
    name = getattr(value, "__name__", "") if callable(value) else ""
    return name if name and getattr(ops, name, None) is value else ""


def _is_kerass(callback: Any) -> bool:
    return type(callback).__module__.partition(".")[0] == "keras"


def _name(callback: Any) -> str:
    return type(callback).__qualname__


def _keys(names: Iterable[str]) -> list[tuple[str, int]]:
    """Each name with how many of the same came before."""
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def _size(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list | tuple | set) else len(repr(value))
