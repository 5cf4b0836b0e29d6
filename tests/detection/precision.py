"""COCO's average precision at an overlap of one half, averaged over the labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

__all__ = ["average_precision"]

_OVERLAP = 0.5
_RECALLS = torch.linspace(0, 1, 101)

Boxes = dict[str, Tensor]


def average_precision(found: Sequence[Boxes], true: Sequence[Boxes], labels: Iterable[int]) -> float:
    """`found` has boxes, labels and scores for each picture, `true` boxes and labels."""
    values = [_of_label(found, true, label) for label in labels]
    return sum(values) / len(values)


def _of_label(found: Sequence[Boxes], true: Sequence[Boxes], label: int) -> float:
    scores, hits, wanted = [torch.empty(0)], [torch.empty(0)], 0
    for here, there in zip(found, true, strict=True):
        chosen = here["labels"] == label
        order = here["scores"][chosen].argsort(descending=True, stable=True)
        targets = there["boxes"][there["labels"] == label]
        scores.append(here["scores"][chosen][order])
        hits.append(_hits(here["boxes"][chosen][order], targets))
        wanted += len(targets)
    ranking = torch.cat(scores).argsort(descending=True, stable=True)
    correct = torch.cat(hits)[ranking].cumsum(0)
    precision = correct / torch.arange(1, len(correct) + 1)
    # The best precision at this recall or a higher one, as the curve is drawn.
    envelope = precision.flip(0).cummax(0).values.flip(0)
    place = torch.searchsorted(correct / wanted, _RECALLS)
    return torch.cat([envelope, torch.zeros(1)])[place].mean().item()


def _hits(boxes: Tensor, targets: Tensor) -> Tensor:
    """For each box, the best one first, 1 if it has found a target that none before it has found, else 0."""
    free = torch.ones(len(targets), dtype=torch.bool)
    hits = torch.zeros(len(boxes))
    for number, overlaps in enumerate(_overlaps(boxes, targets)):
        best = (overlaps * free).max(0) if len(targets) else None
        if best is not None and best.values >= _OVERLAP:
            free[best.indices] = False
            hits[number] = 1
    return hits


def _overlaps(boxes: Tensor, targets: Tensor) -> Tensor:
    low = torch.maximum(boxes[:, None, :2], targets[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], targets[None, :, 2:])
    common = (high - low).clamp(min=0).prod(2)
    areas = [(of[:, 2:] - of[:, :2]).prod(1) for of in (boxes, targets)]
    return common / (areas[0][:, None] + areas[1][None, :] - common)
