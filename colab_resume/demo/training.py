"""What runs on each VM of the demo: an ordinary notebook with four touched lines, and no word about being killed.

Around it: a pipe on which the process tells how far it is, and the files that are compared in the end. Nobody reading
the pipe any more ends the process, so it cannot outlive the demo.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

import colab_resume

from .plan import BATCH, STEPS_PER_EPOCH

__all__: list[str] = []


def train(data: Path, disk: Path, drive: Path, epochs: int, tell: Callable[..., None]) -> tuple[nn.Module, bytes]:
    """Learn the digits; gives the model and the history, one JSON line for each point."""
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)

    run = colab_resume.setup("digits", store=disk, remote=drive, every=20)  # touched
    images, labels = np.load(data, allow_pickle=False).values()
    known = BATCH * STEPS_PER_EPOCH
    loader = DataLoader(Digits(images[:known], labels[:known]), batch_size=BATCH, shuffle=True, num_workers=2)
    model = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 4, 10)),
    )
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs * len(loader))
    run.track(model=model, opt=opt, sched=sched)  # touched
    tell(ready=run.status().restored)

    for epoch in run.epochs(epochs):  # touched
        model.train()
        for x, y in run.batches(loader):  # touched
            loss = functional.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            run.log(loss=loss)
            tell(step=sched.last_epoch, loss=float(loss).hex())
        right = accuracy(model, torch.from_numpy(images[known:]), torch.from_numpy(labels[known:]))
        run.log(accuracy=right)
        tell(epoch=epoch, accuracy=right)
    run.finish()
    return model, b"".join(record.line() for record in run.history())


class Digits(Dataset[tuple[Tensor, int]]):
    """Images that are never the same twice: moved, noisy and dimmed by chance, in the worker that loads them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        moved = np.roll(self.images[index], random.choice((-1, 0, 1)), axis=2)
        noisy = torch.from_numpy(moved + np.random.normal(0, 0.1, moved.shape).astype("float32"))
        return noisy * (0.8 + 0.4 * torch.rand(1)), int(self.labels[index])


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The part of these images that is recognized."""
    model.eval()
    return float((model(images).argmax(1) == labels).float().mean())


def _main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("data", "disk", "drive", "result"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("epochs", "pipe"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()

    def tell(**what: object) -> None:
        os.write(options.pipe, json.dumps(what).encode() + b"\n")

    # Exactness is promised for deterministic kernels; and two trainings share the cores.
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    tell(begins=True)
    model, history = train(options.data, options.disk, options.drive, options.epochs, tell)
    options.result.mkdir(exist_ok=True)
    save_file(model.state_dict(), options.result / "weights.safetensors")
    (options.result / "history.jsonl").write_bytes(history)


if __name__ == "__main__":
    _main()
