"""A remote with too little space: said before the training starts, and survived."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import colab_resume
from colab_resume.errors import NotSafe, RemoteFull
from colab_resume.remotes import Receipt, Source
from colab_resume.remotes.abilities import Space
from colab_resume.testing import MemoryRemote
from colab_resume.training.objects.optimizers import OptimizerPart


class Small(MemoryRemote):
    """A remote with so many bytes."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.total = total

    @property
    def used(self) -> int:
        return sum(entry.size for folder in ("digits/packs", "digits/checkpoints") for entry in self.list(folder))

    def space(self) -> Space:
        return Space(total=self.total, free=max(0, self.total - self.used))

    def put(self, name: str, source: Source) -> Receipt:
        if "/packs/" in name and self.used + source.size > self.total:
            raise RemoteFull("there is no space", hint="make some")
        return super().put(name, source)


def training() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """250,000 parameters: 1 MB, and 2 MB more for the optimizer."""
    torch.manual_seed(0)
    model = torch.nn.Linear(500, 500, bias=False)
    return model, torch.optim.AdamW(model.parameters())


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.randn(4, 500)).square().mean().backward()
    optimizer.step()


def test_what_fits_is_said_when_the_objects_are_tracked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Before the first step, with what the optimizer is going to need; once."""
    model, optimizer = training()
    run = colab_resume.setup("digits", remote=Small(10_000_000), store=tmp_path)
    with caplog.at_level(logging.WARNING, "colab_resume"):
        run.track(model=model, optimizer=optimizer)
        for _ in run.steps(2):
            step(model, optimizer)
    lines = [record.getMessage() for record in caplog.records if "a checkpoint needs" in record.getMessage()]
    assert len(lines) == 1
    assert "3.0 MB, and the remote has 10.0 MB" in lines[0]
    assert "it keeps 2 of 3" in lines[0]
    run.finish()


def test_a_remote_that_is_too_small_costs_no_step_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Checkpoints stay on this disk; when space appears they are sent, without being asked again."""
    model, optimizer = training()
    remote = Small(2_000_000)
    run = colab_resume.setup("digits", remote=remote, store=tmp_path, every=1)
    with caplog.at_level(logging.WARNING, "colab_resume"):
        run.track(model=model, optimizer=optimizer)
        for number in run.steps(6):
            step(model, optimizer)
            if number < 3:
                with contextlib.suppress(NotSafe):
                    run.flush()
            if number == 3:
                with pytest.raises(NotSafe, match="no space"):
                    run.flush()
                assert run.status().saved
                assert run.status().safe == 0  # without the state of the optimizer it had fitted
                remote.total = 100_000_000
    run.finish()
    assert run.status().safe == 6
    told = [record.getMessage() for record in caplog.records if "there is no space" in record.getMessage()]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("Adam", {}),
        ("Adam", {"amsgrad": True}),
        ("AdamW", {}),
        ("NAdam", {}),
        ("RAdam", {}),
        ("Adamax", {}),
        ("SGD", {"lr": 0.1}),
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("RMSprop", {}),
        ("RMSprop", {"momentum": 0.9, "centered": True}),
        ("Adadelta", {}),
        ("Adagrad", {}),
        ("ASGD", {}),
        ("Rprop", {}),
    ],
)
def test_what_an_optimizer_is_going_to_need_is_known_before_its_first_step(
    kind: str, options: dict[str, object]
) -> None:
    """Within a percent, for torch's own; afterwards it owes nothing."""
    model = torch.nn.Linear(100, 100, bias=False)
    optimizer = getattr(torch.optim, kind)(model.parameters(), **options)
    part = OptimizerPart(optimizer, dict)
    expected = part.owed_nbytes() + sum(one.nbytes for one in part.tensors())
    model(torch.randn(4, 100)).sum().backward()
    optimizer.step()
    assert expected == pytest.approx(sum(one.nbytes for one in part.tensors()), rel=0.01)
    assert part.owed_nbytes() == 0


@pytest.mark.root
@pytest.mark.slow
def test_a_disk_that_is_too_small_is_said_before_the_first_step(tmp_path: Path) -> None:
    """A real one: nothing would be saved, and the training would be lost with its kernel."""
    script = f"""
import logging, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import colab_resume
from run.test_room import training
logging.basicConfig()
run = colab_resume.setup("digits", store={str(tmp_path / "small")!r})
model, optimizer = training()
run.track(model=model, optimizer=optimizer)
"""
    (tmp_path / "small").mkdir()
    (tmp_path / "train.py").write_text(script)
    mount = 'mount -t tmpfs -o size=4m tmpfs "$1" && exec "$2" "$3"'
    arguments = ["sh", str(tmp_path / "small"), sys.executable, str(tmp_path / "train.py")]
    command = ["unshare", "--mount", "sh", "-c", mount, *arguments]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "a checkpoint needs about 3.0 MB, and this machine's disk has" in told.stderr
    assert "only one can be saved" in told.stderr
