"""Loops that train two nets on two loaders, as a GAN does: at once, in turn, or with two batches for one of them."""

from __future__ import annotations

from typing import Any

from matrix.data import as_batch
from matrix.scene import EPOCHS, STEPS, Scene, endless

__all__ = ["in_turn", "several_draws_in_a_step", "side_by_side"]


def several_draws_in_a_step(scene: Scene) -> dict[str, Any]:
    """Two batches for the critic and one of another loader for the generator, in each step."""
    run, critic, source, other = scene.run, scene.parts("critic_"), scene.source(), scene.source()
    net = scene.parts("net_")
    real, more = endless(run, source), endless(run, other)
    for _ in run.steps(STEPS):
        for _ in range(2):
            critic.step(*as_batch(next(real)))
        scene.step(net, next(more))
    return {**critic.compared, **net.compared}


def in_turn(scene: Scene) -> dict[str, Any]:
    """Two loaders one after the other in each epoch, each with a net and an optimizer of its own."""
    run, one, two = scene.run, scene.parts("one_"), scene.parts("two_")
    left, right = scene.source(), scene.source()
    for epoch in run.epochs(EPOCHS - 1):
        one.begin_epoch(run, epoch)
        two.begin_epoch(run, epoch)
        for batch in run.batches(left()):
            scene.step(one, batch)
        for batch in run.batches(right()):
            scene.step(two, batch, lambda x, y: two.step(x + one.guess(x).detach().mean(), y))
    return {**one.compared, **two.compared}


def side_by_side(scene: Scene) -> dict[str, Any]:
    """Two loaders at once, as a GAN has them: both nets take a step in each step."""
    run, one, two = scene.run, scene.parts("one_"), scene.parts("two_")
    left, right = scene.source(), scene.source()
    for epoch in run.epochs(EPOCHS):
        one.begin_epoch(run, epoch)
        two.begin_epoch(run, epoch)
        for a, b in zip(run.batches(left()), run.batches(right()), strict=True):
            one.step(*as_batch(a))
            scene.step(two, b, lambda x, y: two.step(x + one.guess(x).detach().mean(), y))
    return {**one.compared, **two.compared}
