"""What is to be captured, part by part, and each part's tree: made anew, or the one of the last time.

A tree is used again while its look holds; then only plain options that may have changed, such as a learning rate, are
put into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ...checkpoints.encoding import Encoded, encode
from ...errors import ColabResumeError, EncodingError
from ..objects.steady import Look

__all__ = ["LiveState", "Trees", "take"]


@dataclass(frozen=True, eq=False)
class LiveState:
    """The state of one part: plain values and live tensors, once `make` is called.

    `looks`: as long as these are the same objects, so are the form of the state and its memory; None if nobody knows.
    `is_settled`: it was taken before, and nobody changes it: `make` gives the same whenever it is called.
    """

    name: str
    kind: str
    make: Callable[[], Any]
    looks: tuple[Look, ...] | None = None
    is_settled: bool = False

    @classmethod
    def of(cls, name: str, kind: str, value: Any, *, is_settled: bool = False) -> LiveState:
        """A state that is at hand."""
        return cls(name, kind, lambda: value, is_settled=is_settled)

    def value(self) -> Any:
        """What `make` gives; `EncodingError` if it fails."""
        with _as_encoding_error(self.name), torch.no_grad():
            return self.make()


def take(name: str, live: Any) -> Encoded:
    """The state of one part as a tree and live tensors; `EncodingError` if that is not possible."""
    with _as_encoding_error(name), torch.no_grad():
        return encode({name: live})


@contextmanager
def _as_encoding_error(name: str) -> Iterator[None]:
    try:
        yield
    except ColabResumeError:
        raise
    except Exception as error:
        raise EncodingError(
            f"the state of {name} could not be taken: {error!r}", hint=f"look at the state_dict of {name}"
        ) from error


@dataclass(frozen=True, eq=False)
class _Known:
    looks: tuple[Look, ...]
    options: Mapping[tuple[int, str], Any]
    encoded: Encoded


class Trees:
    """The trees of the last capture, by the names of their parts."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def encoded(self, live: LiveState) -> Encoded:
        """The tree and the pieces of this part; the pieces are the same objects as long as the looks are."""
        known = self._known.get(live.name)
        if known is not None and live.looks is not None and _are(known.looks, live.looks):
            options = _options(live.looks)
            # By their spelling: 1, 1.0 and True are equal and not the same, as are 0.0 and -0.0.
            if repr(options) == repr(known.options):
                return known.encoded
            if (tree := _with_options(live.name, known.encoded.tree, options)) is not None:
                encoded = Encoded(tree, known.encoded.pieces)
                self._known[live.name] = _Known(live.looks, options, encoded)
                return encoded
        options = _options(live.looks or ())
        encoded = take(live.name, live.value())
        if live.looks is not None:
            self._known[live.name] = _Known(live.looks, options, encoded)
        return encoded


def _are(before: tuple[Look, ...], now: tuple[Look, ...]) -> bool:
    return len(before) == len(now) and all(one is other for one, other in zip(before, now, strict=True))


def _options(looks: Iterable[Look]) -> dict[tuple[int, str], Any]:
    return {place: value for look in looks for place, value in look.options().items()}


def _with_options(name: str, tree: Any, options: Mapping[tuple[int, str], Any]) -> Any:
    """The same tree with these options in the groups of its optimizer; None if it has no place for them."""
    state = tree[name]["optimizer"]
    groups = [dict(group) for group in state["param_groups"]]
    for (number, key), value in options.items():
        if "$" in groups[number] or key not in groups[number]:
            return None
        groups[number][key] = encode({key: value}).tree[key]  # type: ignore[index, call-overload]
    return {name: {**tree[name], "optimizer": {**state, "param_groups": groups}}}
