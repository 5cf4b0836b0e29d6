"""What is drawn where no loop runs: a notebook that is run again draws the same there, also if all was finished."""

from __future__ import annotations

import random
from collections.abc import Iterator
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


def drawn() -> tuple[float, float, float]:
    return torch.rand(1).item(), float(np.random.rand()), random.random()


class Notebook:
    """Two loops, with something that is drawn after each; it dies at a place of the second one, if at all."""

    def __init__(self, folder: Path, *, dies: int | None = None, turns: int = 4) -> None:
        torch.manual_seed(1)
        np.random.seed(2)
        random.seed(3)
        self.net = nn.Linear(3, 1)
        self.dies = dies
        self.turns = turns
        self.run = colab_resume.setup("loops", store=folder / "disk", remote=folder / "drive", every=1000)
        self.run.track(net=self.net)

    def loop(self, turns: int, name: str) -> Iterator[int]:
        for turn in self.run.steps(turns, name=name):
            with torch.no_grad():
                self.net.weight += torch.randn(1, 3)
            yield turn

    def train(self, *, tag: bool = True) -> Any:
        """What is drawn on the way, and the weights in the end."""
        for _ in self.loop(3, "first"):
            pass
        found = [drawn()]
        if tag:
            self.run.save("between")
        found.append(drawn())
        for turn in self.loop(self.turns, "second"):
            if turn == self.dies:
                self.run.flush()
                die()
        found.append(drawn())
        self.run.finish()
        return [*found, drawn()], self.net.weight.tolist()


@pytest.mark.parametrize("tag", [False, True])
def test_a_run_that_is_finished_draws_the_same_again(tag: bool, tmp_path: Path) -> None:
    """After its last loop, and after `finish`, where the next training may begin."""
    first = live(lambda: Notebook(tmp_path).train(tag=tag))[1]
    for _ in range(2):
        (_, _, *after), weights = live(lambda: Notebook(tmp_path).train(tag=tag))[1]
        assert (after, weights) == (first[0][2:], first[1])


@pytest.mark.parametrize("tag", [False, True])
def test_a_death_after_what_was_drawn_between_two_loops(tag: bool, tmp_path: Path) -> None:
    """What was saved last is the end of the first loop, by itself or by hand."""
    whole = live(lambda: Notebook(tmp_path / "whole").train(tag=tag))[1]
    assert live(lambda: Notebook(tmp_path / "killed", dies=1).train(tag=tag))[0] == KILLED
    assert live(lambda: Notebook(tmp_path / "killed").train(tag=tag))[1] == whole


def test_more_turns_for_a_run_that_was_finished(tmp_path: Path) -> None:
    """They go on from the end of its loop: what was drawn after that, before it was finished, leaves no trace."""
    whole = live(lambda: Notebook(tmp_path / "whole", turns=6).train())[1]
    live(lambda: Notebook(tmp_path / "more", turns=4).train())
    (_, _, *after), weights = live(lambda: Notebook(tmp_path / "more", turns=6).train())[1]
    assert (after, weights) == (whole[0][2:], whole[1])
