"""Which tensors of a checkpoint are written, and which are referenced in packs that are already there.

What its parent has with the same content is referenced: a frozen backbone is written once. But a pack lives as long as
one of its tensors does, so a pack of which less than half is still wanted is let go, and what was wanted is carried
forward, into packs of its own: mixed with tensors that change, it would have to be carried again after every step.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from .manifest import TensorRef
from .pack import Slab

__all__ = ["Content", "Plan", "content", "plan"]

Content: TypeAlias = tuple[str, tuple[int, ...], str]
"""Dtype, shape and digest: tensors that agree in these are the same tensor."""


@dataclass(frozen=True)
class Plan:
    """What to do for a checkpoint: reference these, and write each of these groups as a pack."""

    referenced: Mapping[Content, TensorRef]
    packs: tuple[tuple[Content, ...], ...]


def content(slab: Slab) -> Content:
    """What a slab holds, regardless of its name."""
    return slab.dtype, slab.shape, hashlib.blake2b(slab.flat, digest_size=16).hexdigest()


def plan(
    slabs: Mapping[Content, Slab], known: Iterable[TensorRef], *, payloads: Mapping[str, int], pack_bytes: int
) -> Plan:
    """Divide `slabs` by what is `known`; `payloads` are the bytes of tensors in the packs that can be relied on."""
    there = {(ref.dtype, ref.shape, ref.digest): ref for ref in known if ref.pack in payloads}
    shared = {content: there[content] for content in slabs if content in there}
    wanted: Counter[str] = Counter()
    for ref in shared.values():
        wanted[ref.pack] += ref.nbytes
    referenced = {content: ref for content, ref in shared.items() if 2 * wanted[ref.pack] >= payloads[ref.pack]}
    carried = [content for content in shared if content not in referenced]
    fresh = [content for content in slabs if content not in shared]
    groups = (_fill(group, slabs, pack_bytes) for group in (carried, fresh))
    return Plan(referenced, tuple(chain.from_iterable(groups)))


def _fill(group: Iterable[Content], slabs: Mapping[Content, Slab], pack_bytes: int) -> list[tuple[Content, ...]]:
    packs: list[list[Content]] = []
    room = 0
    for content in group:
        size = slabs[content].flat.nbytes
        if packs and size <= room:
            packs[-1].append(content)
        else:
            packs.append([content])
            room = pack_bytes
        room -= size
    return [tuple(pack) for pack in packs]
