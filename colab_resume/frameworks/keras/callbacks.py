"""What callbacks know: how it is taken and put back.

Keras resets many of them when a `fit` begins, and saves none. Kept are their attributes: values, Keras variables, and
the comparison that a monitoring callback has chosen, since choosing it again would turn the sign of `min_delta`. A
callback with `state_dict` and `load_state_dict` says itself what it needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import KerasTensor, Layer, Loss, Metric, Optimizer, Variable, ops

from .attributes import is_kept, kept

__all__ = ["lean", "put", "taken"]

_FROM_KERAS = ("_model", "model", "params")
_LARGE = 1 << 16


def taken(callbacks: Iterable[Any]) -> list[dict[str, Any]]:
    """What each of them knows now."""
    return [{"class": _name(callback), **_taken(callback)} for callback in callbacks]


def put(saved: Sequence[Mapping[str, Any]], callbacks: Sequence[Any]) -> list[str]:
    """Give it back to callbacks of the same classes; returns a line for whatever begins as it is made."""
    waiting = dict(zip(_keys([entry["class"] for entry in saved]), saved, strict=True))
    lines = []
    for key, callback in zip(_keys([_name(callback) for callback in callbacks]), callbacks, strict=True):
        if (entry := waiting.pop(key, None)) is None:
            lines.append(f"callback {key[0]} was not there when the checkpoint was made; it begins as it is")
            continue
        _put(entry, callback)
        if lost := _not_kept(callback):
            lines.append(f"callback {key[0]} begins with {', '.join(lost)} as made: such values cannot be kept")
    return lines + [f"callback {name} is in the checkpoint, and not in this fit" for name, _ in waiting]


def lean(saved: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same without large arrays, for a `fit` that is long over."""
    return [
        {**entry, "values": {name: value for name, value in entry["values"].items() if _size(value) <= _LARGE}}
        for entry in saved
    ]


def _taken(callback: Any) -> dict[str, Any]:
    if _says_itself(callback):
        return {"values": {}, "functions": {}, "variables": {}, "state": callback.state_dict()}
    attributes = {name: value for name, value in vars(callback).items() if name not in _FROM_KERAS}
    return {
        "values": {name: kept(value) for name, value in attributes.items() if is_kept(value)},
        "functions": {name: found for name, value in attributes.items() if (found := _name_in_ops(value))},
        "variables": {
            name: np.array(ops.convert_to_numpy(value))
            for name, value in attributes.items()
            if isinstance(value, Variable)
        },
        "state": None,
    }


def _put(entry: Mapping[str, Any], callback: Any) -> None:
    if _says_itself(callback) and entry["state"] is not None:
        callback.load_state_dict(entry["state"])
        return
    for name, value in entry["values"].items():
        setattr(callback, name, value)
    for name, found in entry["functions"].items():
        setattr(callback, name, getattr(ops, found))
    for name, value in entry["variables"].items():
        vars(callback)[name].assign(value)


def _not_kept(callback: Any) -> list[str]:
    """Attributes of a user's own callback that a restart leaves as they are made, and that may matter."""
    if type(callback).__module__.partition(".")[0] == "keras" or _says_itself(callback):
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
