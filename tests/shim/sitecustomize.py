"""Lets torchvision be imported where its compiled operators cannot be loaded, as beside the CPU build of torch.

Python runs this at its start if this folder is on PYTHONPATH. Nothing happens until torchvision is imported, and
nothing then if its own operators load. Else it gets what it cannot be imported or detect boxes without: non-maximum
suppression. For the rest of Faster R-CNN it has code in plain torch, and takes it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__: list[str] = []

_LOADS_THE_OPERATORS = "torchvision.extension"
_libraries: list[Any] = []
"""A definition ends with its library object."""


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _LOADS_THE_OPERATORS:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return None
        return spec_from_file_location(fullname, found.origin, loader=_Loader(fullname, found.origin))


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if not module._has_ops():
            _define_operators()
            # `nms` asks this first. `_has_ops` stays true to its name: by it `roi_align` chooses its plain code.
            module._assert_has_ops = lambda: None


def _define_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    _libraries.append(library)
    # Only declared: torchvision registers shapes for both names, and quantized boxes are never met here.
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", _nms, "CPU")


def _nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The indices of the boxes that no better one overlaps by more than `threshold`, best first."""
    import torch

    order = scores.argsort(descending=True, stable=True)
    corners = boxes[order]
    areas = (corners[:, 2:] - corners[:, :2]).prod(1)
    overlaps = torch.minimum(corners[:, None, 2:], corners[None, :, 2:])
    overlaps = (overlaps - torch.maximum(corners[:, None, :2], corners[None, :, :2])).clamp(min=0).prod(2)
    too_close = (overlaps / (areas[:, None] + areas[None, :] - overlaps) > threshold).tolist()
    kept: list[int] = []
    for candidate in range(len(order)):
        if not any(too_close[candidate][better] for better in kept):
            kept.append(candidate)
    return order[kept]


sys.meta_path.insert(0, _Finder())
