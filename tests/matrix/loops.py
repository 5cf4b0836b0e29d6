"""Training loops, as people write them: each name stands for a function that trains and gives back what it trained.

They make 12 to 24 steps. What they do between two steps is theirs; how a step is made is said in `parts.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from matrix.data import BATCH, ROWS, as_batch
from matrix.scene import EPOCHS, STEPS, Scene, endless
from matrix.two_nets import in_turn, several_draws_in_a_step, side_by_side
from torch import Tensor

__all__ = ["LOOPS", "Loop"]

Loop = Callable[[Scene], dict[str, Any]]


def _set_epoch(loader: Any, epoch: int) -> Any:
    """What a sampler wants to be told, told again whenever this code runs again."""
    sampler = getattr(loader, "sampler", None)
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)
    return loader


def epochs(scene: Scene) -> dict[str, Any]:
    """Epochs and batches; before the batches, code that may run twice; after them, a validation."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    for epoch in run.epochs(EPOCHS):
        parts.begin_epoch(run, epoch)
        loader = _set_epoch(source(), epoch)
        scene.at("epoch begins")
        for batch in run.batches(loader):
            scene.step(parts, batch)
        parts.end_epoch(scene.validate(parts))
    return parts.compared


def validated_through_the_run(scene: Scene) -> dict[str, Any]:
    """The validation is a pass of the run too."""
    run, parts, source, held_out = scene.run, scene.parts(), scene.source(), scene.source()
    kept = run.state(total=0.0)
    for epoch in run.epochs(EPOCHS):
        parts.begin_epoch(run, epoch)
        kept.total = 0.0
        for batch in run.batches(source()):
            scene.step(parts, batch)
        for batch in run.batches(held_out()):
            scene.at("validating")
            kept.total += parts.value(*as_batch(batch))
        run.log(validation=kept.total)
        parts.end_epoch(kept.total)
    return {**parts.compared, "kept": vars(kept)}


def looked_at_first(scene: Scene) -> dict[str, Any]:
    """One pass before all training, and nothing around the passes."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    kept = run.state(first=0.0)
    for batch in run.batches(source(), ahead=False):
        scene.at("validating")
        kept.first += parts.value(*as_batch(batch))
    for epoch in range(EPOCHS - 1):
        loader = _set_epoch(source(), epoch)
        for batch in run.batches(loader):
            scene.step(parts, batch)
    return {**parts.compared, "kept": vars(kept)}


def round_and_round_beside(scene: Scene) -> dict[str, Any]:
    """Semi-supervised: a second loader goes along with the first, and begins again whenever it has ended."""
    run, parts, source, labelled = scene.run, scene.parts(), scene.source(), scene.source()
    for epoch in run.epochs(EPOCHS):
        parts.begin_epoch(run, epoch)
        beside = iter(run.batches(labelled()))
        for number, batch in enumerate(run.batches(source())):
            for _ in range(1 + number % 2):
                if (drawn := next(beside, None)) is None:
                    beside = iter(run.batches(labelled()))
                    drawn = next(beside)
            shift = as_batch(drawn)[0].mean()
            scene.step(parts, batch, lambda x, y, shift=shift: parts.step(x + shift, y))
        parts.end_epoch(scene.validate(parts))
    return parts.compared


def counted_steps(scene: Scene) -> dict[str, Any]:
    """`run.steps` with an infinite iterator, validated now and then."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    parts.begin_epoch(run, 0)
    batches = endless(run, source)
    for step in run.steps(STEPS):
        scene.step(parts, next(batches))
        if step % 5 == 4:
            parts.end_epoch(scene.validate(parts))
    return parts.compared


def own_loop(scene: Scene) -> dict[str, Any]:
    """`while True` and `run.boundary()`, with rows that are drawn from the global generator."""
    run, parts = scene.run, scene.parts()
    parts.begin_epoch(run, 0)
    while run.status().step < STEPS:
        scene.step(parts, scene.rows.rows[torch.randint(ROWS, (BATCH,))])
        run.boundary()
    return parts.compared


def own_loop_over_batches(scene: Scene) -> dict[str, Any]:
    """Batches come from passes over a loader, and `run.boundary()` says when a step is complete."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    batches = endless(run, source)
    while True:
        scene.step(parts, next(batches))
        run.boundary(done=run.status().step)
        if run.status().step >= STEPS:
            break
    return parts.compared


def whole_epochs(scene: Scene) -> dict[str, Any]:
    """All rows in one step, so that an epoch is a step."""
    run, parts = scene.run, scene.parts()
    for epoch in run.epochs(STEPS):
        parts.begin_epoch(run, epoch)
        scene.step(parts, scene.rows.rows)
        parts.end_epoch(scene.validate(parts))
    return parts.compared


def accumulating(scene: Scene) -> dict[str, Any]:
    """Three batches for one update; what is left over at the end of an epoch waits for the next one."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    kept = run.state(batches=0)

    def add(x: Tensor, y: Tensor) -> float:
        loss = parts.backward(x, y)
        kept.batches += 1
        if kept.batches % 3 == 0:
            parts.update()
        return loss

    for epoch in run.epochs(EPOCHS):
        parts.begin_epoch(run, epoch)
        for batch in run.batches(source()):
            scene.step(parts, batch, add)
        parts.end_epoch(scene.validate(parts))
    return {**parts.compared, "kept": vars(kept)}


def carried_state(scene: Scene) -> dict[str, Any]:
    """A hidden state goes from batch to batch, and begins anew in each epoch."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    kept = run.state(hidden=torch.zeros(3))

    def roll(x: Tensor, y: Tensor) -> float:
        kept.hidden = 0.7 * kept.hidden + x.mean(0)
        return parts.step(x + kept.hidden, y)

    for epoch in run.epochs(EPOCHS):
        parts.begin_epoch(run, epoch)
        kept.hidden = torch.zeros(3)
        scene.at("epoch begins")
        for batch in run.batches(source()):
            scene.step(parts, batch, roll)
        parts.end_epoch(scene.validate(parts))
    return {**parts.compared, "kept": vars(kept)}


def rate_by_hand(scene: Scene) -> dict[str, Any]:
    """The rate is a plain number, made smaller after each step and much smaller after a bad epoch."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    kept = run.state(rate=0.1, best=9.0)

    def anneal(x: Tensor, y: Tensor) -> float:
        kept.rate *= 0.97
        for group in parts.opt.param_groups:
            group["lr"] = kept.rate
        return parts.step(x, y)

    for epoch in run.epochs(EPOCHS):
        parts.begin_epoch(run, epoch)
        for batch in run.batches(source()):
            scene.step(parts, batch, anneal)
        value = scene.validate(parts)
        if value > kept.best:
            kept.rate /= 4
        kept.best = min(kept.best, value)
    return {**parts.compared, "kept": vars(kept)}


def early_stopping(scene: Scene) -> dict[str, Any]:
    """Left when the validation has not become better, or by the third epoch in any case."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    kept = run.state(best=9.0, patience=1)
    for epoch in run.epochs(9):
        parts.begin_epoch(run, epoch)
        for batch in run.batches(source()):
            scene.step(parts, batch)
        value = scene.validate(parts)
        kept.patience -= value > kept.best
        kept.best = min(kept.best, value)
        if kept.patience == 0 or epoch == EPOCHS - 1:
            break
    return {**parts.compared, "kept": vars(kept)}


def drawn_once_in_an_epoch(scene: Scene) -> dict[str, Any]:
    """Code before the batches draws random numbers that all of them use."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    for epoch in run.epochs(EPOCHS):
        parts.begin_epoch(run, epoch)
        scene.at("epoch begins")
        noise = 0.1 * torch.randn(3)
        for batch in run.batches(source()):
            scene.step(parts, batch, lambda x, y, noise=noise: parts.step(x + noise, y))
        parts.end_epoch(scene.validate(parts))
    return parts.compared


def drawn_before_all_loops(scene: Scene) -> dict[str, Any]:
    """Numbers that are drawn once, when everything is tracked already: as for the pictures that a GAN shows."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    fixed = 0.1 * torch.randn(3) + float(np.random.rand())
    for epoch in run.epochs(EPOCHS - 1):
        parts.begin_epoch(run, epoch)
        for batch in run.batches(source()):
            scene.step(parts, batch, lambda x, y: parts.step(x + fixed, y))
    return parts.compared


def two_phases(scene: Scene) -> dict[str, Any]:
    """Two loops over epochs, and a draw between them."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    for epoch in run.epochs(1):
        parts.begin_epoch(run, epoch)
        for batch in run.batches(source()):
            scene.step(parts, batch)
    scene.at("between")
    for epoch in run.epochs(EPOCHS - 1, name="again"):
        parts.begin_epoch(run, epoch + 1)
        for batch in run.batches(source()):
            scene.step(parts, batch)
        parts.end_epoch(scene.validate(parts))
    return parts.compared


def own_loop_drawn_ahead(scene: Scene) -> dict[str, Any]:
    """The next batch is drawn before the step on the last one, and both before the boundary."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    batches = endless(run, source, ahead=True)
    batch = next(batches)
    while run.status().step < STEPS:
        following = next(batches)
        scene.step(parts, batch)
        run.boundary()
        batch = following
    return parts.compared


def counted_steps_drawn_ahead(scene: Scene) -> dict[str, Any]:
    """The same with `run.steps`, after the step."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    batches = endless(run, source, ahead=True)
    batch = next(batches)
    for _ in run.steps(STEPS):
        scene.step(parts, batch)
        batch = next(batches)
    return parts.compared


def prefetched(scene: Scene) -> dict[str, Any]:
    """A prefetcher around the pass holds the next batch; the last one is trained on when the pass is over."""
    run, parts, source = scene.run, scene.parts(), scene.source()
    for epoch in run.epochs(EPOCHS):
        parts.begin_epoch(run, epoch)
        batches = iter(run.batches(source(), ahead=True))
        following = next(batches, None)
        while (batch := following) is not None:
            following = next(batches, None)
            scene.step(parts, batch)
        parts.end_epoch(scene.validate(parts))
    return parts.compared


_ALL = (
    *(epochs, validated_through_the_run, counted_steps, several_draws_in_a_step, own_loop, own_loop_over_batches),
    *(
        looked_at_first,
        round_and_round_beside,
        whole_epochs,
        in_turn,
        side_by_side,
        accumulating,
        carried_state,
        rate_by_hand,
    ),
    *(early_stopping, drawn_once_in_an_epoch, drawn_before_all_loops, two_phases),
    *(own_loop_drawn_ahead, counted_steps_drawn_ahead, prefetched),
)
LOOPS: dict[str, Loop] = {loop.__name__.replace("_", " "): loop for loop in _ALL}
