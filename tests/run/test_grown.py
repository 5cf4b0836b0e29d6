"""A model that gets other parameters while it trains: it is warned of in time, and goes on where the code knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from vm import KILLED, die, live

import colab_resume
from colab_resume.errors import StateMismatch

__all__: list[str] = []

pytestmark = pytest.mark.slow

_GROWN_AT = 6


def grown(net: nn.Sequential) -> None:
    net.append(nn.Linear(2, 2))


def pruned(net: nn.Sequential) -> None:
    prune.l1_unstructured(net[0], "weight", amount=0.3)


def as_pruned(net: nn.Sequential) -> None:
    prune.identity(net[0], "weight")


def train(folder: Path, change: Any, again: Any, *, dies: int = -1) -> list[Any]:
    """Five epochs of three steps; the model changes after the second one. `again` makes it so after a restart."""
    torch.manual_seed(1)
    run = colab_resume.setup("grown", store=folder / "disk", remote=folder / "drive", every=1)
    net = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    if again is not None and (run.status().restored or 0) >= _GROWN_AT:
        again(net)
    run.track(net=net)
    for epoch in run.epochs(5):
        for step, x in enumerate(run.batches([torch.ones(3) * n for n in range(3)])):
            run._saving.writer.wait(None)
            if epoch * 3 + step == dies:
                run.flush()
                die()
            loss = net(x + torch.randn(3)).sum()
            loss.backward()
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter.sub_(0.1 * parameter.grad)
                    parameter.grad = None
        if epoch == 1:
            change(net)
    run.finish()
    return [value.tolist() for value in net.state_dict().values()]


@pytest.mark.parametrize(("change", "again"), [(grown, grown), (pruned, as_pruned)])
def test_it_goes_on_where_the_code_knows_it(change: Any, again: Any, tmp_path: Path) -> None:
    """Killed before and after it."""
    whole = live(lambda: train(tmp_path / "whole", change, again))[1]
    for dies in (4, 7, 13):
        assert live(lambda dies=dies: train(tmp_path / "killed", change, again, dies=dies))[0] == KILLED
    assert live(lambda: train(tmp_path / "killed", change, again))[1] == whole


def test_it_is_warned_of_when_it_happens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once, with the step; a training whose model stays as it is hears nothing."""
    train(tmp_path / "stays", lambda net: None, None)
    assert "other parameters" not in caplog.text
    train(tmp_path / "grows", grown, None)
    (line,) = [line for line in caplog.messages if "other parameters" in line]
    assert "net has other parameters than when it was tracked (new ['2.weight', '2.bias'])" in line
    assert f"where run.status().restored is {_GROWN_AT} or more" in line


def test_where_the_code_does_not_know_it_the_error_says_what_to_do(tmp_path: Path) -> None:
    """Nothing is applied to a model that lacks something."""
    assert live(lambda: train(tmp_path, grown, None, dies=9))[0] == KILLED

    def refusal() -> str:
        with pytest.raises(StateMismatch) as caught:
            train(tmp_path, grown, None)
        return str(caught.value)

    said = live(refusal)[1]
    assert "2.weight (2, 2) float32 is only in the checkpoint" in said
    assert "also what was added or pruned later" in said
