"""Loops that `break` has ended: when code goes on behind them, a restart does not lead back into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from run.test_leaving import notebook, script
from torch import nn
from vm import KILLED, die, live

import colab_resume

__all__: list[str] = []

pytestmark = pytest.mark.slow


class Folds:
    """A training for each fold, which stops early by `break`; then a test over all data, and two epochs more."""

    def __init__(self, folder: Path, dies: int | None) -> None:
        torch.manual_seed(1)
        self.dies = dies
        self.net = nn.Linear(2, 1)
        self.run = colab_resume.setup("folds", store=folder / "disk", remote=folder / "drive", every=1)
        self.run.track(net=self.net)
        self.found = self.run.state(tested=0.0)

    def step(self, x: float) -> None:
        self.run._saving.writer.wait(None)  # else most boundaries would find it busy
        if self.run.status().step == self.dies:
            self.run.flush()
            die()
        with torch.no_grad():
            self.net.weight += torch.randn(1, 2) * x

    def train(self) -> Any:
        for fold in range(3):
            shift = torch.rand(1).item()
            for epoch in self.run.epochs(9, name=f"fold {fold}"):
                for x in self.run.batches([shift, 2.0, 3.0]):
                    self.step(x)
                if epoch == fold:
                    break
        for x in self.run.batches([5.0, 6.0]):
            self.step(0.0)
            self.found.tested += x * self.net.weight.sum().item()
        for _ in self.run.epochs(2, name="last"):
            for x in self.run.batches([torch.rand(1).item()]):
                self.step(x)
        self.run.finish()
        return self.net.weight.tolist(), self.found.tested


def test_trainings_that_stop_early_by_break(tmp_path: Path) -> None:
    """Killed in the middle of each of them, in the pass behind them, and in the loop behind that."""
    whole = live(lambda: Folds(tmp_path / "whole", None).train())[1]
    for dies in (1, 4, 7, 13, 16, 19, 21):
        assert live(lambda dies=dies: Folds(tmp_path / "killed", dies).train())[0] == KILLED
    assert live(lambda: Folds(tmp_path / "killed", None).train())[1] == whole


_FIRST = """
for i in run.steps(9, name="first"):
    run._saving.writer.wait(None)
    step()
    if i == 3: WHY
"""
_SECOND = """
for i in run.steps(4, name="second"):
    run._saving.writer.wait(None)
    step()
    if i == 2: WHY
run.flush()
print("now at", s.n, i)
"""


def test_the_next_cell_goes_on_behind_a_break(tmp_path: Path) -> None:
    """Whatever fails between them; the process that comes after it is led past the first loop."""
    first, second = _FIRST.replace("WHY", "break"), _SECOND.replace("WHY", "break")
    left = script(tmp_path, notebook(first, "1/0", second), often="1")
    assert "now at 7 2" in left.stdout, left.stdout + left.stderr
    again = script(tmp_path, notebook(first, "1/0", second.replace("break", "pass")), often="1")
    assert "now at 8 3" in again.stdout, again.stdout + again.stderr
    assert "StateMismatch" not in again.stdout


def test_a_loop_that_failed_is_not_over(tmp_path: Path) -> None:
    """Whoever tries another loop, and then runs the cell that failed again, goes on in that one."""
    cells = [
        _FIRST.replace("WHY", "1/0"),
        "for x in run.batches([1]): print('tried', x)",
        _FIRST.replace("WHY", "pass"),
    ]
    left = script(tmp_path, notebook(*cells, "print('in the end', s.n)"), often="1")
    assert "tried 1" not in left.stdout, left.stdout + left.stderr
    assert "in the end 9" in left.stdout
