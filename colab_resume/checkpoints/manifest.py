"""The manifest: what a checkpoint is. A checkpoint exists when, and only when, its manifest does.

Its bytes are a sealed document (`sealed.py`). A manifest may come from a folder that others can write to, and a right
checksum proves nothing about intent: everything is checked when a `Manifest` is built, wherever it comes from.

Metrics that are not finite are the strings "nan", "inf" and "-inf", because JSON has no numbers for them; all other
floats are JSON numbers in the shortest form that gives back the same bits. Members that format 1 does not name are
ignored by a reader.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NotRequired, TypedDict

from ..errors import DamagedCheckpoint, EncodingError, UsageError
from .collector import at_rest
from .damage import damaged, flaw
from .digest import is_digest
from .header import INT64_MAX, check_key, content_size
from .names import NAME, PACK, checkpoint_name, pack_name
from .pack import PackInfo
from .sealed import sealed, unsealed
from .strict_json import JSON

__all__ = ["Facts", "MANIFEST_LIMIT", "Manifest", "NAME", "PACK", "TensorRef", "checkpoint_name", "pack_name"]

MANIFEST_LIMIT = 64 << 20

_HINT = "Nothing was written; this is a mistake in the calling code."


@dataclass(frozen=True)
class TensorRef:
    """Where a tensor lies, and what it is; `digest` is that of its bytes."""

    pack: str
    key: str
    dtype: str
    shape: tuple[int, ...]
    digest: str

    def __post_init__(self) -> None:
        _require(_matches(PACK, self.pack), f"{self.pack!r:.90} is not the name of a pack")
        check_key(self.key)
        _require(isinstance(self.shape, tuple), "a shape is a tuple")
        content_size(self.dtype, self.shape)
        _require(is_digest(self.digest), f"{self.digest!r:.60} is not a digest")

    @property
    def nbytes(self) -> int:
        """The bytes of its content."""
        return content_size(self.dtype, self.shape)


class Facts(TypedDict):
    """What the one who saves knows about a checkpoint; the members of a manifest that are not about files."""

    step: int
    serial: NotRequired[int]
    generation: int
    parent: str | None
    created: float
    tags: NotRequired[tuple[str, ...]]
    metrics: NotRequired[Mapping[str, float]]
    state: JSON
    position: JSON
    journal: JSON
    provenance: JSON


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One checkpoint: where its tensors lie, the rest of its state, and how it came to be."""

    step: int
    serial: int = 0
    session: str
    generation: int
    parent: str | None
    created: float
    tags: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    state: JSON
    position: JSON
    journal: JSON
    provenance: JSON
    tensors: tuple[TensorRef, ...]
    packs: Mapping[str, PackInfo]

    def __post_init__(self) -> None:
        _require(type(self.serial) is int, "the serial number is not a count")
        checkpoint_name(self.step, self.session, self.serial)
        _require(type(self.generation) is int and 0 <= self.generation <= INT64_MAX, "the generation is not a count")
        _require(self.parent is None or _matches(NAME, self.parent), f"{self.parent!r:.60} is not a parent's name")
        _require(_is_number(self.created) and 0 <= self.created < math.inf, "the time of creation is not a time")
        _require(all(isinstance(tag, str) for tag in self.tags), "a tag is not a text")
        _require(all(map(_is_metric, self.metrics.items())), "a metric is not a number with a name")
        for member in ("state", "position", "journal", "provenance"):
            _require(isinstance(getattr(self, member), Mapping), f"{member} is not an object")
        self._check_packs()

    def _check_packs(self) -> None:
        needed = dict.fromkeys(self.packs, 0)
        for ref in dict.fromkeys(self.tensors):
            _require(ref.pack in needed, f"a tensor lies in {ref.pack}, which is not listed")
            needed[ref.pack] += ref.nbytes
        used = {ref.pack for ref in self.tensors}
        for pack, info in self.packs.items():
            _require(pack in used, f"no tensor lies in {pack!r:.90}, which is listed")
            _require(needed[pack] <= info.size, f"{pack} is too small for its tensors")

    @property
    def name(self) -> str:
        """The name of the checkpoint; its file is called the same."""
        return checkpoint_name(self.step, self.session, self.serial)

    @property
    def rank(self) -> tuple[int, int, int]:
        """Newer checkpoints of a run rank higher."""
        return self.generation, self.step, self.serial

    def to_bytes(self) -> bytes:
        """The bytes that `from_bytes` reads; EncodingError if there are none."""
        members = {name: getattr(self, name) for name in _MEMBERS}
        members["metrics"] = {name: _spell(value) for name, value in self.metrics.items()}
        tensors = [vars(ref) for ref in self.tensors]
        packs = {name: vars(info) for name, info in self.packs.items()}
        data = _written({**members, "tensors": tensors, "packs": packs})
        if len(data) > MANIFEST_LIMIT:
            what = f"The state apart from its tensors takes {len(data) >> 20} MiB, more than {MANIFEST_LIMIT >> 20}."
            raise EncodingError(what, hint="Keep large data in tensors or arrays, not in lists and dicts of numbers.")
        try:
            # What is written but cannot be read is found out now, and not when the VM is gone. Tensors and packs were
            # checked when they were made, and thousands of them take long to read.
            self.from_bytes(_written({**members, "tensors": [], "packs": {}}), self.name)
        except DamagedCheckpoint as error:
            raise EncodingError(f"The state could be written and not read: {error.what}", hint=_HINT) from error
        return data

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> Manifest:
        """The manifest whose file is called `name`; DamagedCheckpoint says what is wrong with it."""
        try:
            with at_rest():
                _require(len(data) <= MANIFEST_LIMIT, f"it has {len(data)} bytes")
                manifest = cls._from_document(unsealed(data, f"Checkpoint {name}"))
            _require(manifest.name == name, f"it is that of {manifest.name}")
        except ValueError as error:
            raise damaged(f"The manifest of {name!r:.60}", flaw(error)) from error
        return manifest

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Manifest:
        members = _members(document, _MEMBERS)
        tensors = (_members(ref, _REF) for ref in _list(members["tensors"]))
        refs = tuple(TensorRef(**{**ref, "shape": tuple(_list(ref["shape"]))}) for ref in tensors)
        packs = {name: PackInfo(**_members(info, _INFO)) for name, info in _object(members["packs"]).items()}
        metrics = {name: _unspell(value) for name, value in _object(members["metrics"]).items()}
        plain = {"tags": tuple(_list(members["tags"])), "metrics": metrics, "tensors": refs, "packs": packs}
        return cls(**{**members, **plain})


_MEMBERS = tuple(member.name for member in fields(Manifest))
_REF = tuple(member.name for member in fields(TensorRef))
_INFO = tuple(member.name for member in fields(PackInfo))


def _written(members: Mapping[str, Any]) -> bytes:
    try:
        return sealed(members)
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodingError(f"The state is not JSON: {error}.", hint=_HINT) from error


def _members(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    found = _object(value)
    missing = [name for name in names if name not in found]
    _require(not missing, f"it lacks {', '.join(missing)}")
    return {name: found[name] for name in names}


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("there is something else where an object should be")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("there is something else where a list should be")
    return value


def _spell(value: float) -> float | str:
    return value if math.isfinite(value) else str(float(value))


def _unspell(value: Any) -> Any:
    return float(value) if value in ("nan", "inf", "-inf") else value


def _is_number(value: Any) -> bool:
    # A longer integer is no longer a float, and what is computed with it later would overflow.
    return isinstance(value, float) or (type(value) is int and abs(value) <= 2**53)


def _is_metric(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and _is_number(item[1])


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise UsageError(otherwise, hint=_HINT)
