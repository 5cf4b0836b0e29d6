"""What a loop changes and nobody tracks is told, by name; what it makes anew, and what is kept, is not."""

from __future__ import annotations

import copy
import csv
import itertools
import random
import sqlite3
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

from colab_resume.training.forgotten import Forgotten
from colab_resume.training.objects.parts import Values

TURNS = 4

calls = 0
"""What functions that a loop calls change."""


class Loops:
    """Loops such as a run hands out, watched in the same way; `found` is what was told."""

    def __init__(self, *kept: Any) -> None:
        self.lines: list[str] = []
        self._forgotten = Forgotten(lambda: {str(number): one for number, one in enumerate(kept)}, self.lines.append)

    def turns(self, count: int = TURNS) -> Iterator[int]:
        watch = self._forgotten.watch()
        for number in range(count):
            if watch.is_due:
                watch.look(sys._getframe(1))
            yield number

    @property
    def found(self) -> set[str]:
        told = (line.partition("checkpoint: ")[2].partition(". A restart")[0] for line in self.lines)
        return {one.partition(" (")[0] for line in told for one in line.split("), ")}


def test_values_that_are_read_before_they_are_written() -> None:
    loops, total, best, text, flag, pair, last, none = Loops(), 0, 9.0, "", True, (0, 1), torch.zeros(1), None
    for number in loops.turns():
        total += number
        best = min(best, 1 / (number + 1))
        text = text + "x"
        if flag:
            flag = False
        pair = (pair[1], pair[0] + 1)
        last = last * 2
        none = number if none is None else none
    assert loops.found == {"total", "best", "text", "flag", "pair", "last", "none"}


def test_things_that_are_changed_in_place() -> None:
    loops, losses, table, seen, memory = Loops(), list[int](), {"loss": list[int]()}, set[int](), deque[int](maxlen=2)
    array, tensor, rng, python, stream = (
        np.zeros(3),
        torch.zeros(3),
        np.random.default_rng(0),
        random.Random(0),
        torch.Generator(),
    )
    for number in loops.turns():
        losses.append(number)
        table["loss"].append(number)
        seen.add(number)
        memory.append(number)
        array += 1
        tensor += 1
        rng.random()
        python.random()
        torch.rand(1, generator=stream)
    assert loops.found == {"losses", "table", "seen", "memory", "array", "tensor", "rng", "python", "stream"}


class Meter:
    def __init__(self) -> None:
        self.sum = 0.0
        self.mean = torch.zeros(1)
        self.scratch = torch.zeros(1)

    def update(self, value: float) -> None:
        self.sum += value
        self.mean = 0.9 * self.mean + value
        self.scratch = torch.ones(1) * value


class Average:
    """With a state of its own, as those have that come from packages."""

    def __init__(self, net: nn.Module) -> None:
        self.shadow = [parameter.detach().clone() for parameter in net.parameters()]

    def update(self, net: nn.Module) -> None:
        for mine, theirs in zip(self.shadow, net.parameters(), strict=True):
            mine.lerp_(theirs.detach(), 0.5)

    def state_dict(self) -> dict[str, Any]:
        return {"shadow": self.shadow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.shadow = state["shadow"]


def test_objects_that_have_a_state() -> None:
    net = nn.Linear(2, 1)
    opt = torch.optim.Adam(net.parameters())
    sched, ema, meter = torch.optim.lr_scheduler.StepLR(opt, 1), Average(net), Meter()
    twin, other = copy.deepcopy(net), nn.Linear(2, 1)
    scaler = torch.amp.GradScaler("cpu")
    loops = Loops(net)
    for _ in loops.turns():
        opt.zero_grad()
        scaler.scale(net(torch.ones(2)).sum()).backward()
        scaler.step(opt)
        scaler.update()
        sched.step()
        ema.update(net)
        meter.update(0.5)
        other(torch.ones(2))
        with torch.no_grad():
            twin.weight.lerp_(net.weight, 0.5)
    assert loops.found == {"opt", "sched", "scaler", "ema", "meter.sum", "meter.mean", "twin"}
    assert "say run.track(" in loops.lines[0]
    for name in ("opt", "sched", "scaler", "ema", "meter", "twin"):
        assert f"{name}={name}" in loops.lines[0]


def test_what_is_kept_is_not_told() -> None:
    net = nn.Linear(2, 1)
    opt = torch.optim.Adam(net.parameters())
    sched, ema, meter, s, rng = (
        torch.optim.lr_scheduler.StepLR(opt, 1),
        Average(net),
        Meter(),
        Values(n=0, seen=[]),
        random.Random(),
    )
    best = {"loss": 9.0}
    loops = Loops(net, opt, sched, ema, meter, s, rng, (lambda: dict(best), best.update))
    weight, seen = net.weight, s.seen
    for number in loops.turns():
        opt.zero_grad()
        net(torch.ones(2)).sum().backward()
        opt.step()
        sched.step()
        ema.update(net)
        meter.update(0.5)
        s.n += 1
        seen.append(weight.sum().item())
        best["loss"] = number + rng.random()
    assert loops.lines == []


def test_what_is_made_anew_in_each_turn_is_not_told() -> None:
    loops, names = Loops(), ["a", "b", "c", "d"]
    for epoch in loops.turns():
        total = 0.0
        rate = 0.1 * epoch
        for number in range(3):
            loss = rate + number
            total += loss
        mean = [value / 3 for value in (total, rate)]
        what = names[epoch]
        assert [what, *mean] != []
    assert loops.lines == []


def test_what_the_loop_around_makes_anew_is_not_told_by_the_one_inside() -> None:
    loops, outer = Loops(), Loops()
    turns = loops.turns
    for epoch in outer.turns():
        rate, total = 0.1 * epoch, 0.0
        for number in turns():
            total += rate * number
    assert outer.lines == []
    assert loops.found == {"total"}


def _counts(_: int) -> int:
    global calls  # noqa: PLW0603 - what this is about
    calls += 1
    return len(_others)


_others: list[int] = []


def _counts_through_another(number: int) -> None:
    _others.append(_counts(number))


def test_what_functions_change_that_the_loop_calls() -> None:
    loops, inner = Loops(), 0

    def enclosed() -> None:
        nonlocal inner
        inner += 1

    for number in loops.turns():
        _counts_through_another(number)
        enclosed()
    assert loops.found == {"calls", "_others", "inner"}


class Prefetcher:
    """Of numbers, or of what it is given."""

    def __init__(self, items: Any = None) -> None:
        self.ahead, self.items = 0, items

    def __iter__(self) -> Prefetcher:
        return self

    def __next__(self) -> int:
        self.ahead += 1
        return self.ahead if self.items is None else next(self.items)


def endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def test_clocks_loaders_and_files_are_not_told(tmp_path: Path) -> None:
    class Rows(torch.utils.data.Dataset[int]):
        asked = 0

        def __getitem__(self, index: int) -> int:
            self.asked += 1
            return index

    began, rows = time.time(), Rows()
    began_too = time.perf_counter()
    loops = Loops()
    with (tmp_path / "log").open("w") as log, closing(sqlite3.connect(":memory:")) as base:
        cursor = base.execute("create table losses (loss)")
        for _ in loops.turns():
            began = max(began, time.time())
            began_too = max(began_too, time.perf_counter())
            log.write("a line")
            cursor.execute("insert into losses values (1)")
            assert rows[0] == 0
    assert loops.lines == []


def test_iterators_that_a_loop_draws_from() -> None:
    """Data that are drawn past the run begin anew after a restart, and nothing else would notice it."""
    loader = torch.utils.data.DataLoader([torch.ones(1)] * 9)
    ours, once, own, every = iter(loader), iter(range(100)), Prefetcher(), endless(loader)
    pairs, rows = zip(loader, itertools.count(), strict=False), csv.reader(["1,2"] * 9)
    loops = Loops()
    for _ in loops.turns():
        assert [next(one) for one in (ours, once, own, every, pairs, rows)]
    assert loops.found == {"ours", "once", "own", "every", "pairs", "rows"}
    (line,) = loops.lines
    assert "ours (an iterator)" in line
    assert "let ours, once, own, every, pairs, rows draw from run.batches(loader) in place of the loader" in line


def test_an_iterator_that_is_made_anew_when_it_is_exhausted() -> None:
    loader = torch.utils.data.DataLoader([torch.ones(1)] * 2)
    loops, batches = Loops(), iter(loader)
    for _ in loops.turns():
        if (found := next(batches, None)) is None:
            batches = iter(loader)
            found = next(batches)
        assert found == 1
    assert loops.found == {"batches"}


def test_each_name_is_told_once_and_with_what_to_do() -> None:
    loops, total = Loops(), 0
    for _ in range(3):
        for number in loops.turns(9):
            total += number
    (line,) = loops.lines
    assert line == (
        "the loop changes what is in no checkpoint: total (a number). A restart would begin it anew: keep values in "
        "run.state(...). What you only look at may stay"
    )


def test_what_begins_to_change_late_is_told_late() -> None:
    loops, late = Loops(), 0
    for number in loops.turns(10):
        assert not loops.lines or number > 6
        if number == 6:
            late += 1
    assert loops.found == {"late"}


def test_what_cannot_be_looked_at_stops_nothing() -> None:
    class Odd(list[int]):
        def __len__(self) -> int:
            raise RuntimeError("I have no length")

    loops, odd = Loops(), Odd()
    for number in loops.turns():
        odd.append(number)
    assert loops.lines == []


def _of_a_package() -> Callable[[Loops], None]:
    scope: dict[str, Any] = {}
    text = "def train(loops):\n  n = 0\n  for number in loops.turns():\n    n += number\n"
    exec(compile(text, f"{sys.prefix}/lib/site-packages/trainer.py", "exec"), scope)
    found: Callable[[Loops], None] = scope["train"]
    return found


def test_loops_of_packages_are_their_own_business() -> None:
    loops = Loops()
    _of_a_package()(loops)
    assert loops.lines == []


@pytest.mark.parametrize("head", ["while True:\n    number = next(it)", "for number in it:"])
def test_loops_in_a_cell_of_a_notebook(head: str) -> None:
    """Its variables are global ones, and each statement is compiled by itself."""
    loops = Loops()
    scope: dict[str, Any] = {"it": loops.turns(), "n": 0, "m": 0}
    text = f"{head}\n    n += number\n    m = number\n    if number == 3: break\n"
    exec(compile(text, "<ipython-input-1>", "exec"), scope)
    assert loops.found - {"it"} == {"n"}


def test_a_look_keeps_nothing_alive() -> None:
    """Neither a batch of the turn before nor what was computed from it."""

    class Batch:
        pass

    loops, total, held = Loops(), 0, list[weakref.ref[Batch]]()
    for number in loops.turns():
        total += number
        batch = Batch()
        held.append(weakref.ref(batch))
        assert [one() for one in held] == [None] * number + [batch]
    assert "total" in loops.found


def _episode(env: Any, seed: int | None = None) -> None:
    env.reset(seed=seed)
    for _ in range(3):
        env.step(0)


def test_a_simulator_that_goes_on_from_turn_to_turn() -> None:
    """It draws from its own generator, it is in the middle of an episode, or actions are drawn from it."""
    drawing, playing, acting, kept = (gymnasium.make("CartPole-v1") for _ in range(4))
    playing.reset()
    loops = Loops(kept)
    for number in loops.turns():
        _episode(drawing)
        playing.step(0)
        _episode(acting, seed=number)
        acting.action_space.sample()
        _episode(kept)
    assert loops.found == {"drawing", "playing", "acting"}
    assert all("say run.track(" in line for line in loops.lines)


def test_one_that_begins_each_turn_from_a_seed_is_not_told() -> None:
    loops, env = Loops(), gymnasium.make("CartPole-v1")
    for number in loops.turns():
        _episode(env, seed=number)
    assert loops.lines == []


class Agent:
    """Holds another one, which holds this one."""

    def __init__(self, meter: Meter) -> None:
        self.meter, self.inner = meter, self


def test_what_a_kept_object_holds_is_kept_with_it() -> None:
    meter, env = Meter(), gymnasium.make("CartPole-v1")
    outer = Agent(Meter())
    outer.inner = Agent(meter)
    outer.inner.inner = outer
    loops, inside = Loops(outer, env), env.unwrapped
    for _ in loops.turns():
        meter.update(0.5)
        inside.reset()
    assert loops.lines == []


class Centred(nn.Module):
    """What its layers keep in objects is no part of its state."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1))
        self.config = Meter()
        self.meter = Meter()
        self.layers[1].meter = Meter()  # type: ignore[assignment]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(x)
        self.meter.update(found.sum().item())
        self.layers[1].meter.update(1.0)  # type: ignore[operator, union-attr]
        return found


def test_objects_in_attributes_of_modules() -> None:
    net = Centred()
    loops = Loops(net)
    for _ in loops.turns():
        net(torch.ones(2))
    assert loops.found == {f"net{layer}.meter.{what}" for layer in ("", ".layers.1") for what in ("sum", "mean")}
    assert "say run.track(meter=net.meter, meter=net.layers[1].meter)" in loops.lines[0]
    loops = Loops(net, net.meter, net.layers[1].meter)
    for _ in loops.turns():
        net(torch.ones(2))
    assert loops.lines == []
