"""Small real trainings in the shapes that people write them in, each with a place where it can be made to die."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

import colab_resume
import colab_resume.run
from colab_resume.checkpoints.encoding import encode

__all__ = ["SHAPES", "Points", "Scene", "fingerprint"]

torch.set_num_threads(1)  # a forked child hangs in OpenMP if its parent has used the threads


def _warm_up() -> None:
    """What torch imports at its first optimizer step would else be imported in every forked child."""
    weight = nn.Parameter(torch.zeros(1))
    for kind in (torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD):
        optimizer = kind([weight], 0.1)
        weight.sum().backward()
        optimizer.step()
        torch.optim.lr_scheduler.StepLR(optimizer, 1)


_warm_up()


class Points(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """40 points in the plane, shaken by all three random generators whenever they are looked at."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self.x = torch.randn(40, 2, generator=generator)
        self.y = (self.x.prod(1) > 0).long()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        noise = torch.randn(2) + float(np.random.rand()) + random.random()
        return self.x[index] + 0.1 * noise, self.y[index]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a training is given: where it saves, with how many workers, and what is to happen at each step."""

    store: Path
    remote: Path
    workers: int = 0
    at_step: Callable[[int], None] = lambda step: None
    every: int = 1

    def setup(self) -> colab_resume.Run:
        torch.manual_seed(5)
        np.random.seed(6)
        random.seed(7)
        return colab_resume.setup("t", store=self.store, remote=self.remote, every=self.every)

    def loader(self, **options: Any) -> DataLoader[Any]:
        return DataLoader(Points(), 8, shuffle=True, num_workers=self.workers, **options)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def fingerprint(run: colab_resume.Run, **objects: Any) -> dict[str, Any]:
    """What two trainings have in common exactly if they are bit for bit the same."""
    digest = hashlib.sha256()
    states = {name: thing.state_dict() if hasattr(thing, "state_dict") else thing for name, thing in objects.items()}
    encoded = encode(states)
    for piece in encoded.pieces:
        digest.update(
            piece.source.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if piece.nbytes else b""
        )
    digest.update(repr(encoded.tree).encode())
    return {
        "state": digest.hexdigest(),
        "history": [[record.step, record.epoch, record.values] for record in run.history()],
        "next numbers": [torch.rand(1).item(), float(np.random.rand()), random.random()],
    }


def _step(net: nn.Module, opt: torch.optim.Optimizer, batch: Any) -> float:
    opt.zero_grad()
    loss = cross_entropy(net(batch[0]), batch[1])
    loss.backward()
    opt.step()
    return loss.item()


def plain(scene: Scene) -> dict[str, Any]:
    """Epochs and batches, a scheduler stepped after the epoch, validation with its own draws between epochs."""
    run = scene.setup()
    net = Net()
    opt = torch.optim.AdamW(net.parameters(), 0.05)
    sched = torch.optim.lr_scheduler.StepLR(opt, 1, 0.7)
    average = torch.optim.swa_utils.AveragedModel(net)
    loader, validation = scene.loader(), DataLoader(Points(), 20)
    run.track(net=net, opt=opt, sched=sched, average=average)
    kept = run.state(total=0.0, best=9.0)
    step = run.status().step
    for _ in run.epochs(3):
        kept.total = 0.0
        net.train()
        for batch in run.batches(loader):
            step = run.status().step + 1
            loss = _step(net, opt, batch)
            average.update_parameters(net)
            kept.total += loss
            run.log(loss=loss, rate=opt.param_groups[0]["lr"])
            scene.at_step(step)
        sched.step()
        net.eval()
        with torch.no_grad():
            value = sum(cross_entropy(net(x), y).item() for x, y in validation)
        kept.best = min(kept.best, value)
        scene.at_step(-step)
        run.log(validation=value, total=kept.total)
    run.finish()
    return fingerprint(run, net=net, opt=opt, sched=sched, average=average, kept=vars(kept))


def counted_steps(scene: Scene) -> dict[str, Any]:
    """A number of steps over an endless iterator."""
    run = scene.setup()
    net = Net()
    opt = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9)
    loader = scene.loader()

    def endless() -> Iterator[Any]:
        while True:
            yield from run.batches(loader)

    run.track(net=net, opt=opt)
    batches = endless()
    for _ in run.steps(13):
        loss = _step(net, opt, next(batches))
        run.log(loss=loss)
        scene.at_step(run.status().step + 1)
    run.finish()
    return fingerprint(run, net=net, opt=opt)


def own_loop(scene: Scene) -> dict[str, Any]:
    """`while True`, with data from the global generators and `run.boundary()` at the end of each step."""
    run = scene.setup()
    net = Net()
    opt = torch.optim.Adam(net.parameters(), 0.05)
    run.track(net=net, opt=opt)
    while run.status().step < 12:
        x = torch.randn(8, 2) + torch.from_numpy(np.random.rand(8, 2)).float()
        loss = _step(net, opt, (x, (x.prod(1) > 0).long()))
        scene.at_step(run.status().step + 1)
        run.boundary(loss=loss)
    run.finish()
    return fingerprint(run, net=net, opt=opt)


def two_loaders(scene: Scene) -> dict[str, Any]:
    """Two loaders side by side and two optimizers, one of which accumulates and steps only every third time."""
    run = scene.setup()
    one, two = Net(), Net()
    opt_one = torch.optim.Adam(one.parameters(), 0.05)
    opt_two = torch.optim.Adam(two.parameters(), 0.05)
    left, right = scene.loader(), scene.loader()
    run.track(one=one, two=two, opt_one=opt_one, opt_two=opt_two)
    for _ in run.epochs(3):
        for a, b in zip(run.batches(left), run.batches(right), strict=True):
            step = run.status().step + 1
            loss = _step(one, opt_one, a)
            other = cross_entropy(two(b[0] + one(a[0]).detach()), b[1])
            other.backward()
            if step % 3 == 0:
                opt_two.step()
                opt_two.zero_grad()
            run.log(loss=loss, other=other.item())
            scene.at_step(step)
    run.finish()
    return fingerprint(run, one=one, two=two, opt_one=opt_one, opt_two=opt_two)


def late_warmup(scene: Scene) -> dict[str, Any]:
    """A warm-up scheduler that is made inside the function for one epoch, after everything else was restored."""
    run = scene.setup()
    net = Net()
    opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    decay = torch.optim.lr_scheduler.MultiStepLR(opt, [1, 2], 0.5)
    loader = scene.loader()
    run.track(net=net, opt=opt, decay=decay)

    def one_epoch(epoch: int) -> None:
        warmup = None
        if epoch == 0:
            warmup = torch.optim.lr_scheduler.LinearLR(opt, 0.01, total_iters=4)
            run.track(warmup=warmup)
        for batch in run.batches(loader):
            loss = _step(net, opt, batch)
            if warmup is not None:
                warmup.step()
            run.log(loss=loss, rate=opt.param_groups[0]["lr"])
            scene.at_step(run.status().step + 1)

    for epoch in run.epochs(3):
        one_epoch(epoch)
        decay.step()
    run.finish()
    return fingerprint(run, net=net, opt=opt, decay=decay)


class Replay:
    """Keeps its state in a file of its own, as libraries with compiled cores do."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def save_state(self, path: str) -> None:
        Path(path).mkdir()
        Path(path, "seen.txt").write_text(" ".join(map(str, self.seen)))

    def load_state(self, path: str) -> None:
        self.seen = [int(word) for word in Path(path, "seen.txt").read_text().split()]


def many_parts(scene: Scene) -> dict[str, Any]:
    """AMP with a scaler, a generator of one's own, a file-based object, a pair, two loops of different names."""
    run = scene.setup()
    net = Net().to(torch.bfloat16)
    opt = torch.optim.AdamW(net.parameters(), 0.05)
    scaler = torch.amp.GradScaler("cpu", growth_interval=3)
    own, arrays = torch.Generator().manual_seed(1), np.random.default_rng(2)
    buffer, box = Replay(), {"n": 0}
    loader = scene.loader(generator=torch.Generator().manual_seed(9))
    run.track(net=net, opt=opt, scaler=scaler, own=own, arrays=arrays, buffer=buffer)
    run.track(box=(lambda: dict(box), box.update))

    def one_step(batch: Any) -> None:
        opt.zero_grad()
        x = batch[0] + torch.randn(2, generator=own) + float(arrays.random())
        loss = cross_entropy(net(x.to(torch.bfloat16)).float(), batch[1])
        scaler.scale(loss).backward()
        scaler.step(opt)
        scaler.update()
        buffer.seen.append(run.status().step)
        box["n"] += 1
        run.log(loss=loss, scale=scaler.get_scale())
        scene.at_step(run.status().step + 1)

    for _ in run.epochs(1):
        for batch in run.batches(loader):
            one_step(batch)
    for _ in run.epochs(2, name="again"):
        for batch in run.batches(loader):
            one_step(batch)
    run.finish()
    extra = {"seen": buffer.seen, "box": dict(box), "own": own.get_state(), "arrays": arrays.bit_generator.state}
    return fingerprint(run, net=net, opt=opt, scaler=scaler, extra=extra)


SHAPES: Iterable[Callable[[Scene], dict[str, Any]]] = (
    plain,
    counted_steps,
    own_loop,
    two_loaders,
    late_warmup,
    many_parts,
)
