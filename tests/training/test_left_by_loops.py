"""The weights of the best epoch, in a variable that a loop sets now and then, are in no checkpoint: that is told."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from colab_resume.training.forgotten import Forgotten
from colab_resume.training.objects.parts import Values

__all__: list[str] = []

VALUES = Values(best=None)


class Loops:
    """Loops such as a run hands out, watched in the same way."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._forgotten = Forgotten(lambda: {"run.state": VALUES}, self.lines.append)

    def turns(self) -> Iterator[int]:
        watch = self._forgotten.watch()
        for number in range(5):
            if watch.is_due:
                watch.look(sys._getframe(1))
            yield number

    @property
    def told(self) -> list[str]:
        lines = (line for line in self.lines if line.startswith("the loop sets "))
        return [line.removeprefix("the loop sets ").partition(" in some of its turns")[0] for line in lines]


def as_in_the_tutorial(loops: Loops, net: nn.Module) -> Any:
    best, weights = 0.0, copy.deepcopy(net.state_dict())
    for number in loops.turns():
        if number > best:
            best, weights = number, copy.deepcopy(net.state_dict())
    net.load_state_dict(weights)


def nothing_before(loops: Loops, net: nn.Module) -> Any:
    weights = None
    for number in loops.turns():
        if number == 1:
            weights = [one.detach().clone() for one in net.parameters()]
    return weights


def a_copy(loops: Loops, net: nn.Module) -> Any:
    for number in loops.turns():
        if number > 2:
            continue
        weights = copy.deepcopy(net)
    return weights


def in_an_inner_loop(loops: Loops, net: nn.Module) -> Any:
    weights = {}
    for number in loops.turns():
        for inner in range(3):
            if inner == number:
                weights = dict(net.named_parameters())
    return weights


TOLD = (as_in_the_tutorial, nothing_before, a_copy, in_an_inner_loop)


def nobody_reads_it(loops: Loops, net: nn.Module) -> Any:
    for number in loops.turns():
        if number == 1:
            weights = net.state_dict()
            assert len(weights) == 2


def in_each_turn(loops: Loops, net: nn.Module) -> Any:
    for _ in loops.turns():
        weights = net.state_dict()
    return weights


def one_way_or_the_other(loops: Loops, net: nn.Module) -> Any:
    for number in loops.turns():
        if number == 1:  # noqa: SIM108
            weights = net.state_dict()
        else:
            weights = dict(net.named_buffers())
    return weights


def a_number(loops: Loops, net: nn.Module) -> Any:
    weights = 0
    for number in loops.turns():
        if number == 1:
            weights = number
    return weights


def what_is_kept(loops: Loops, net: nn.Module) -> Any:
    weights = None
    for number in loops.turns():
        if number == 1:
            weights = VALUES.best = net.state_dict()
    return weights


def in_an_inner_loop_that_ends_the_turn(loops: Loops, net: nn.Module) -> Any:
    for _ in loops.turns():
        for weights in ({"one": net.weight}, net.state_dict()):
            _size(weights)
    return weights


def in_an_inner_loop_that_is_left(loops: Loops, net: nn.Module) -> Any:
    for number in loops.turns():
        for weights in ({"one": net.weight}, net.state_dict()):
            if number == _size(weights):
                break
    return weights


def _size(weights: Any) -> int:
    return len(weights)


# So that jumps over it need more than one byte.
_LONG = "\n            ".join(["_size(weights)"] * 40)
_SOURCE = inspect.getsource(in_an_inner_loop_that_ends_the_turn)
_SCOPE = dict(globals())
exec(compile(_SOURCE.replace("_size(weights)", _LONG).replace("ends_the_turn", "is_long"), __file__, "exec"), _SCOPE)
in_an_inner_loop_that_is_long = _SCOPE["in_an_inner_loop_that_is_long"]


NOT_TOLD = (
    in_an_inner_loop_that_ends_the_turn,
    in_an_inner_loop_that_is_left,
    in_an_inner_loop_that_is_long,
    nobody_reads_it,
    in_each_turn,
    one_way_or_the_other,
    a_number,
    what_is_kept,
)


@pytest.mark.parametrize("train", [*TOLD, *NOT_TOLD])
def test_in_a_function_that_reads_it_behind_the_loop(train: Callable[[Loops, nn.Module], Any]) -> None:
    loops = Loops()
    train(loops, nn.Linear(2, 1))
    assert loops.told == ["weights"] * (train in TOLD)


CELL = """
for number in loops.turns():
    if number == 1:
        weights = {0}
"""


@pytest.mark.parametrize(("made", "told"), [("net.state_dict()", ["weights"]), ("torch.zeros(2)", []), ("0.5", [])])
def test_in_a_cell_any_other_cell_may_read_it(made: str, told: list[str]) -> None:
    """So only what looks like weights is told of."""
    loops = Loops()
    exec(compile(CELL.format(made), "<cell>", "exec"), {"loops": loops, "net": nn.Linear(2, 1), "torch": torch})
    assert loops.told == told
