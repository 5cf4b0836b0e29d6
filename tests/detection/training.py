"""A detection training as torchvision's reference has it: Faster R-CNN, warm-up, grouped batches, evaluation.

12 steps in 3 epochs of 4 batches. The pictures are small and the proposals few, so that a step takes a quarter of a
second.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from detection.grouping import GroupedBatchSampler, groups_by_ratio
from detection.pictures import LABELS, Pictures, Target, plain, shaken
from detection.precision import average_precision
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, MultiStepLR
from torch.utils.data import DataLoader, RandomSampler
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from trainings import fingerprint

import colab_resume

__all__ = ["Place", "Scene", "train"]

_EPOCHS = 3
_BATCH = 2
_FROZEN = 7

Place = Literal["gradients", "stepped", "trained", "evaluating", "next epoch"]
"""Gradients made and weights not yet changed; the step done; the last batch done; half evaluated; before an epoch."""

Batch = tuple[tuple[Tensor, ...], tuple[Target, ...]]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where the training saves, with how many workers, and what is to happen where, after how many steps."""

    store: Path
    remote: Path
    workers: int
    every: int
    reached: Callable[[colab_resume.Run, Place, int], None]


class Smoothed:
    """The mean of the last values, as a metric logger prints it."""

    def __init__(self, window: int) -> None:
        self._window: deque[float] = deque(maxlen=window)

    def add(self, value: float) -> float:
        self._window.append(value)
        return sum(self._window) / len(self._window)

    def state_dict(self) -> dict[str, Any]:
        return {"window": self._window}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._window = state["window"]


def train(scene: Scene) -> dict[str, Any]:
    """Train to the end; gives what it came to, and the step that it had begun from."""
    torch.manual_seed(5)
    np.random.seed(6)
    random.seed(7)
    run = colab_resume.setup("boxes", store=scene.store, remote=scene.remote, every=scene.every)
    model = _model()
    opt = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.02, momentum=0.9, weight_decay=1e-4)
    sched = MultiStepLR(opt, [1, 2], 0.5)
    smoothed = Smoothed(5)
    loader = _loader(scene.workers)
    run.track(model=model, opt=opt, sched=sched, smoothed=smoothed)
    for epoch in run.epochs(_EPOCHS):
        scene.reached(run, "next epoch", run.status().step)
        _train_one_epoch(run, scene, epoch, model=model, opt=opt, loader=loader, smoothed=smoothed)
        scene.reached(run, "trained", run.status().step)
        sched.step()
        run.log(precision=_evaluate(run, scene, model))
    run.finish()
    end = fingerprint(run, model=model, opt=opt, sched=sched, smoothed=smoothed)
    return {**end, "restored": run.status().restored}


def _train_one_epoch(
    run: colab_resume.Run,
    scene: Scene,
    epoch: int,
    *,
    model: nn.Module,
    opt: torch.optim.Optimizer,
    loader: DataLoader[Batch],
    smoothed: Smoothed,
) -> None:
    model.train()
    warmup = None
    if epoch == 0:
        warmup = LinearLR(opt, 1 / 1000, total_iters=len(loader) - 1)
        run.track(warmup=warmup)
    for images, targets in run.batches(loader):
        step = run.status().step + 1
        loss = torch.stack(list(model(images, targets).values())).sum()
        opt.zero_grad()
        loss.backward()
        scene.reached(run, "gradients", step)
        opt.step()
        if warmup is not None:
            warmup.step()
        run.log(loss=loss, smoothed=smoothed.add(loss.item()), rate=opt.param_groups[0]["lr"])
        scene.reached(run, "stepped", step)


@torch.no_grad()
def _evaluate(run: colab_resume.Run, scene: Scene, model: nn.Module) -> float:
    model.eval()
    pictures = Pictures(plain)
    found: list[dict[str, Tensor]] = []
    true: list[Target] = []
    for images, targets in DataLoader(pictures, 1, collate_fn=_batch):
        found += model(images)
        true += targets
        if len(found) == len(pictures) // 2:
            scene.reached(run, "evaluating", run.status().step)
    return average_precision(found, true, LABELS)


def _model() -> nn.Module:
    model = fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None,
        weights_backbone=None,
        min_size=64,
        max_size=96,
        rpn_pre_nms_top_n_train=50,
        rpn_post_nms_top_n_train=20,
        rpn_pre_nms_top_n_test=50,
        rpn_post_nms_top_n_test=20,
        box_batch_size_per_image=8,
        box_detections_per_img=10,
    )
    width = model.backbone.out_channels
    model.roi_heads.box_head = TwoMLPHead(width * 7 * 7, 64)
    model.roi_heads.box_predictor = FastRCNNPredictor(64, len(LABELS) + 1)
    for layer in list(model.backbone.body.values())[:_FROZEN]:
        layer.requires_grad_(False)
    return model


def _loader(workers: int) -> DataLoader[Batch]:
    pictures = Pictures(shaken)
    groups = groups_by_ratio(pictures.ratios, [1.0])
    batches = GroupedBatchSampler(RandomSampler(pictures), groups, _BATCH)
    return DataLoader(pictures, batch_sampler=batches, num_workers=workers, collate_fn=_batch)


def _batch(items: list[tuple[Tensor, Target]]) -> Batch:
    images, targets = zip(*items, strict=True)
    return images, targets
