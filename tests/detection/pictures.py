"""Pictures of rectangles and ellipses on noise, wide and tall, with COCO's annotations, and what is done to them."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.functional import adjust_brightness, hflip, to_tensor

__all__ = ["LABELS", "Pictures", "Target", "Transform", "plain", "shaken"]

LABELS = {1: "rectangle", 2: "ellipse"}
_SIZES = ((96, 64), (60, 92), (88, 64), (92, 60), (64, 96), (96, 60), (64, 88))
"""Width and height: four are wide, three are tall."""

Target = dict[str, Tensor]
Transform = Callable[[Tensor, Target], tuple[Tensor, Target]]


class Pictures(Dataset[tuple[Tensor, Target]]):
    """The pictures as PNG files, decoded whenever they are looked at."""

    def __init__(self, transform: Transform) -> None:
        self._transform = transform
        drawn = [_drawn(random.Random(number), *size) for number, size in enumerate(_SIZES)]
        self._files = [file for file, _ in drawn]
        self._annotations = [annotations for _, annotations in drawn]
        self.ratios = [width / height for width, height in _SIZES]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        image = to_tensor(Image.open(io.BytesIO(self._files[index])))
        return self._transform(image, _target(index, self._annotations[index]))


def plain(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    """As it was drawn."""
    return image, target


def shaken(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    """Mirrored every other time, and darker or brighter."""
    if torch.rand(1) < 0.5:
        left, top, right, bottom = target["boxes"].unbind(1)
        width = image.shape[-1]
        image = hflip(image)
        target = {**target, "boxes": torch.stack([width - right, top, width - left, bottom], 1)}
    return adjust_brightness(image, 0.8 + 0.4 * torch.rand(1).item()), target


def _drawn(choose: random.Random, width: int, height: int) -> tuple[bytes, list[dict[str, Any]]]:
    noise = np.random.default_rng(choose.getrandbits(32)).integers(0, 90, (height, width, 3), np.uint8)
    image = Image.fromarray(noise)
    pen = ImageDraw.Draw(image)
    annotations = []
    for _ in range(choose.randint(1, 2)):
        label = choose.choice(list(LABELS))
        w, h = choose.randint(28, 48), choose.randint(28, 48)
        x, y = choose.randint(0, width - w), choose.randint(0, height - h)
        draw = {1: pen.rectangle, 2: pen.ellipse}[label]
        draw((x, y, x + w - 1, y + h - 1), fill=tuple(choose.randint(120, 255) for _ in range(3)))
        annotations.append({"bbox": [x, y, w, h], "category_id": label, "area": w * h, "iscrowd": 0})
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue(), annotations


def _target(index: int, annotations: list[dict[str, Any]]) -> Target:
    corners = torch.tensor([annotation["bbox"] for annotation in annotations], dtype=torch.float32)
    corners[:, 2:] += corners[:, :2]
    return {
        "boxes": corners,
        "labels": torch.tensor([annotation["category_id"] for annotation in annotations]),
        "image_id": torch.tensor(index),
        "area": torch.tensor([annotation["area"] for annotation in annotations], dtype=torch.float32),
        "iscrowd": torch.tensor([annotation["iscrowd"] for annotation in annotations]),
    }
