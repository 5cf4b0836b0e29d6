"""A training on a GPU, as a program: `python -m gpu.training '{"store": ..., "remote": ..., "dies_at": 5, ...}'`.

A process that has used CUDA cannot be forked, so each life is a program of its own. It prints its result as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

import colab_resume

__all__ = ["OPTIMIZERS", "PRECISIONS", "main"]

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "foreach": lambda parameters: torch.optim.AdamW(parameters, 0.01),
    "fused": lambda parameters: torch.optim.AdamW(parameters, 0.01, fused=True),
    "capturable": lambda parameters: torch.optim.AdamW(parameters, 0.01, capturable=True),
}
PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class _Images(Dataset[tuple[torch.Tensor, int]]):
    """64 noisy images, flipped at random wherever they are made."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(index))
        return (image.flip(-1) if torch.rand(1) < 0.5 else image) + 0.1 * torch.randn(3, 16, 16), index % 4


def _flipped_on_gpu(items: list[Any]) -> list[torch.Tensor]:
    """A collate function that draws on the GPU, as libraries for augmentation there do."""
    images = torch.stack([image for image, _ in items]).cuda()
    labels = torch.tensor([label for _, label in items])
    return [torch.where(torch.rand(len(images), 1, 1, 1, device="cuda") < 0.5, images.flip(-2), images), labels]


def _net(device: str) -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.3)),
        *(nn.Conv2d(16, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 4)),
    ).to(device)


def train(
    *,
    store: str,
    remote: str,
    precision: str,
    optimizer: str,
    device: str = "cuda",
    workers: int = 2,
    augments_on_gpu: bool = False,
    dies_at: int = -1,
) -> dict[str, Any]:
    """Three epochs; SIGKILL in the middle of step `dies_at`, counted in this process."""
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.manual_seed(7)
    run = colab_resume.setup("gpu", store=store, remote=remote, every=1)
    net, dtype = _net(device), PRECISIONS[precision]
    opt = OPTIMIZERS[optimizer](net.parameters())
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, 0.05, total_steps=24)
    scaler = torch.amp.GradScaler(device, enabled=precision == "float16", init_scale=2.0**18, growth_interval=5)
    average = torch.optim.swa_utils.AveragedModel(net)
    own = torch.Generator(device).manual_seed(3)
    options: dict[str, Any] = {"num_workers": workers, "pin_memory": device == "cuda"}
    if augments_on_gpu:
        options = {"collate_fn": _flipped_on_gpu}
    loader = DataLoader(_Images(), 8, shuffle=True, **options)
    run.track(net=net, opt=opt, sched=sched, scaler=scaler, average=average, own=own)
    steps = 0
    for _ in run.epochs(3):
        for images, labels in run.batches(loader):
            run._saving.writer.wait(None)
            steps += 1
            opt.zero_grad()
            noise = torch.rand(1, device=device) + torch.rand(1, device=device, generator=own)
            with torch.autocast(device, dtype=dtype, enabled=precision != "float32"):
                loss = cross_entropy(
                    net(images.to(device, non_blocking=True) + noise), labels.to(device, non_blocking=True)
                )
            scaler.scale(loss).backward()
            if steps == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            scaler.step(opt)
            scaler.update()
            sched.step()
            average.update_parameters(net)
            run.log(loss=loss, scale=scaler.get_scale())
    run.finish()
    numbers = [torch.rand(1, device=device).item(), torch.rand(1, device=device, generator=own).item()]
    return {
        "state": {
            name: _digest(thing.state_dict()) for name, thing in {"net": net, "opt": opt, "ema": average}.items()
        },
        "others": [scaler.state_dict(), sched.last_epoch, opt.param_groups[0]["lr"]],
        "history": [[record.step, record.epoch, record.values] for record in run.history()],
        "numbers": numbers,
    }


def _digest(state: Any) -> str:
    digest = hashlib.sha256()
    for tensor in _tensors(state):
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _tensors(state: Any) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state]
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def main() -> None:
    """Train as the argument says, and print the result as the last line."""
    print("\n" + json.dumps(train(**json.loads(sys.argv[1]))))  # noqa: T201 - this is how the test gets it


if __name__ == "__main__":
    main()
