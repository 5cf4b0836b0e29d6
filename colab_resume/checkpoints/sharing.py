"""Which tensors of a checkpoint are written, and which are referenced in packs that are already there.

What its parent has with the same content is referenced: a frozen backbone is written once. But a pack lives as long as
one of its tensors does. So that what is referenced never takes more than twice the space it needs, the packs of which
least is still wanted are let go, and what was wanted of them is carried forward, into packs of its own: mixed with
tensors that change, it would have to be carried again after every step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .manifest import TensorRef
from .pack import Slab

__all__ = ["Content", "Plan", "content", "fill", "plan"]

Content: TypeAlias = tuple[str, tuple[int, ...], str]
"""Dtype, shape and digest: tensors that agree in these are the same tensor."""


@dataclass(frozen=True)
class Plan:
    """What to do for a checkpoint: reference these, and write each of these groups as a pack.

    `carried` says where those of them lie now that are known, and are only carried forward.
    """

    referenced: Mapping[Content, TensorRef]
    carried: Mapping[Content, TensorRef]
    packs: tuple[tuple[Content, ...], ...]


def content(slab: Slab) -> Content:
    """What a slab holds, regardless of its name."""
    return slab.dtype, slab.shape, slab.digest


def plan(
    slabs: Mapping[Content, Slab], known: Iterable[TensorRef], *, payloads: Mapping[str, int], pack_bytes: int
) -> Plan:
    """Divide `slabs` by what is `known`; `payloads` are the bytes of tensors in the packs that can be relied on."""
    there = {(ref.dtype, ref.shape, ref.digest): ref for ref in known if ref.pack in payloads}
    shared = {content: there[content] for content in slabs if content in there}
    let_go = _mostly_dead(shared.values(), payloads)
    referenced = {content: ref for content, ref in shared.items() if ref.pack not in let_go}
    carried = {content: ref for content, ref in shared.items() if ref.pack in let_go}
    fresh = [content for content in slabs if content not in shared]
    packs = []
    for group in (list(carried), fresh):
        sizes = [slabs[content].nbytes for content in group]
        packs += [tuple(group[place] for place in places) for places in fill(sizes, pack_bytes)]
    return Plan(referenced, carried, tuple(packs))


def _mostly_dead(refs: Iterable[TensorRef], payloads: Mapping[str, int]) -> set[str]:
    """The packs to let go, so that at least half of what the others hold, taken together, is wanted."""
    wanted: Counter[str] = Counter()
    for ref in refs:
        wanted[ref.pack] += ref.nbytes
    held, live = sum(payloads[pack] for pack in wanted), wanted.total()
    let_go = set()
    for pack in sorted(wanted, key=lambda pack: wanted[pack] / max(1, payloads[pack])):
        if held <= 2 * live:
            break
        let_go.add(pack)
        held -= payloads[pack]
        live -= wanted[pack]
    return let_go


def fill(sizes: Sequence[int], pack_bytes: int) -> list[list[int]]:
    """Which of so many bytes go into one pack together, by their places in their order; staging lies like that, too."""
    packs: list[list[int]] = []
    room = 0
    for place, size in enumerate(sizes):
        if packs and size <= room:
            packs[-1].append(place)
        else:
            packs.append([place])
            room = pack_bytes
        room -= size
    return packs
