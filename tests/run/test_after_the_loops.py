"""What is drawn where no loop runs: a notebook that is run again draws the same there, also if all was finished."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from vm import KILLED, die, live

import colab_resume

__all__: list[str] = []

pytestmark = pytest.mark.slow


class Own:
    """Generators that are tracked, one of each kind and one in a module."""

    def __init__(self) -> None:
        self.numpy = np.random.default_rng(4)
        self.older = np.random.RandomState(5)
        self.python = random.Random(6)
        self.torch = torch.Generator().manual_seed(7)

    def drawn(self) -> tuple[float, ...]:
        ours = float(self.numpy.random()), float(self.older.rand()), self.python.random()
        return *ours, torch.rand(1, generator=self.torch).item()


class Noisy(nn.Linear):
    """A module with a generator in an attribute."""

    def __init__(self) -> None:
        super().__init__(3, 1)
        self.rng = np.random.default_rng(8)


class Notebook:
    """Two loops, with something that is drawn before each and after; it dies at a place of the second one, if at all.

    The first one is left by `break` if it has more `first` turns than 3.
    """

    def __init__(
        self, folder: Path, *, dies: int | None = None, turns: int = 4, first: int = 3, every: int = 1000
    ) -> None:
        torch.manual_seed(1)
        np.random.seed(2)
        random.seed(3)
        self.net = Noisy()
        self.own = Own()
        self.dies = dies
        self.turns = turns
        self.first = first
        self.run = colab_resume.setup("loops", store=folder / "disk", remote=folder / "drive", every=every)
        self.run.track(net=self.net, **vars(self.own))

    def drawn(self) -> tuple[float, ...]:
        return torch.rand(1).item(), float(np.random.rand()), random.random(), *self.own.drawn()

    def step(self) -> None:
        self.run._saving.writer.wait(None)  # else most boundaries would find it busy
        with torch.no_grad():
            self.net.weight += torch.randn(1, 3) + sum(self.own.drawn()) + self.net.rng.random()

    def train(self, *, tag: bool = True) -> Any:
        """What is drawn on the way, and the weights in the end."""
        found = [self.drawn()]
        for turn in self.run.steps(self.first, name="first"):
            self.step()
            if turn == 2 and self.first > 3:
                break
        found.append(self.drawn())
        if tag:
            self.run.save("between")
        found.append(self.drawn())
        for turn in self.run.steps(self.turns, name="second"):
            self.step()
            if turn == self.dies:
                self.run.flush()
                die()
        found.append(self.drawn())
        self.run.finish()
        return [*found, self.drawn()], self.net.weight.tolist()


@pytest.mark.parametrize("tag", [False, True])
def test_a_run_that_is_finished_draws_the_same_again(tag: bool, tmp_path: Path) -> None:
    """After its last loop, and after `finish`, where the next training may begin."""
    first = live(lambda: Notebook(tmp_path).train(tag=tag))[1]
    for _ in range(2):
        again = live(lambda: Notebook(tmp_path).train(tag=tag))[1]
        assert again == first


@pytest.mark.parametrize("tag", [False, True])
def test_a_death_after_what_was_drawn_between_two_loops(tag: bool, tmp_path: Path) -> None:
    """What was saved last is the end of the first loop, by itself or by hand."""
    whole = live(lambda: Notebook(tmp_path / "whole").train(tag=tag))[1]
    assert live(lambda: Notebook(tmp_path / "killed", dies=1).train(tag=tag))[0] == KILLED
    assert live(lambda: Notebook(tmp_path / "killed").train(tag=tag))[1] == whole


@pytest.mark.parametrize("first", [3, 9])
@pytest.mark.parametrize("dies", [0, 1, 2])
def test_a_death_in_the_second_loop(dies: int, first: int, tmp_path: Path) -> None:
    """What is drawn before it, such as the split for a second phase, is drawn again; also behind a `break`."""

    def notebook(folder: str, **about: Any) -> Any:
        return live(lambda: Notebook(tmp_path / folder, first=first, every=1, **about).train(tag=False))

    whole = notebook("whole")[1]
    assert [notebook("killed", dies=dies)[0], notebook("killed", dies=3)[0]] == [KILLED, KILLED]
    assert notebook("killed")[1] == whole


def test_a_loop_that_is_over_is_entered_once_more(tmp_path: Path) -> None:
    """Where nothing was restored nobody is led past it: what was drawn since is not drawn again."""

    def notebook() -> list[float]:
        run = colab_resume.setup("loops", store=tmp_path / "disk", remote=None, every=1000)
        rng = np.random.default_rng(1)
        run.track(rng=rng)
        found = []
        for _ in range(2):
            for _ in run.steps(2):
                rng.random()
            found += [float(rng.random()), random.random()]
        run.finish()
        return found

    status, found = live(notebook)
    assert status == 0
    assert len(set(found)) == 4


def test_more_turns_for_a_run_that_was_finished(tmp_path: Path) -> None:
    """They go on from the end of its loop: what was drawn after that, before it was finished, leaves no trace."""
    whole = live(lambda: Notebook(tmp_path / "whole", turns=6).train())[1]
    live(lambda: Notebook(tmp_path / "more", turns=4).train())
    assert live(lambda: Notebook(tmp_path / "more", turns=6).train())[1] == whole
