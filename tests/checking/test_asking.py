"""How a check is asked for, what it refuses, and how its report reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader
from trainings import Points

from colab_resume.checking import Report, Row, check
from colab_resume.checking.verdicts import about_repeating
from colab_resume.errors import UsageError
from colab_resume.training.tracking import Tracking

from .conftest import Notebook, checked, tracked

STEP = "def train_step(batch): return learn(*batch)"

Cells = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "3"])
def test_a_number_of_steps_that_cannot_be_meant_is_refused(cells: Cells, steps: Any) -> None:
    """There must be at least one step to repeat."""
    with pytest.raises(UsageError, match="is no number of steps"):
        checked(cells(STEP), "net opt", steps=steps)


def test_a_step_that_cannot_be_called_is_refused(cells: Cells) -> None:
    """The result of a step is not the step."""
    with pytest.raises(UsageError, match="cannot be called"):
        check(tracked(cells(STEP), "net opt"), 0.5)  # type: ignore[arg-type]


def test_a_check_of_nothing_is_refused(cells: Cells) -> None:
    """A run that tracks nothing restores nothing, and that is no finding but a forgotten line."""
    with pytest.raises(UsageError, match="nothing is tracked yet"):
        check(Tracking(), cells(STEP)["train_step"])


def test_a_loader_that_can_be_drawn_from_only_once_is_refused(cells: Cells) -> None:
    """Its first batches would be missing from the training."""
    variables = cells(STEP)
    items: Iterator[Any] = iter(list(variables["loader"]))
    with pytest.raises(UsageError, match="is an iterator"):
        checked(variables, "net opt", loader=items)
    assert len(list(items)) == 5


def test_a_step_that_draws_from_an_iterator_is_refused_before_it_draws(cells: Cells) -> None:
    """Nobody can put a drawn batch back, so none is drawn."""
    variables = cells("""
        batches = iter(list(loader))
        def train_step():
            return learn(*next(batches))
        """)
    with pytest.raises(UsageError, match="the step uses batches, an iterator"):
        checked(variables, "net opt", loader=None)
    assert len(list(variables["batches"])) == 5


def test_a_loader_without_batches_is_refused(cells: Cells) -> None:
    """There is nothing to make a step with."""
    with pytest.raises(UsageError, match="loader has no batches"):
        checked(cells(STEP), "net opt", loader=[])


def test_as_many_steps_are_made_as_there_are_batches(cells: Cells, capsys: pytest.CaptureFixture[str]) -> None:
    """A short loader is used as far as it goes, and that is said."""
    report = checked(cells(STEP), "net opt", loader=DataLoader(Points(), 20), steps=5)
    assert report.steps == 2
    assert "gives 2 batches, so there are as many steps" in capsys.readouterr().out


def test_a_step_without_a_loader_gets_no_argument(cells: Cells) -> None:
    """Data may come from anywhere: here from tensors and the global generator."""
    step = """
        x, y = torch.randn(40, 2), torch.randint(2, (40,))
        def train_step():
            rows = torch.randint(40, (8,))
            return learn(x[rows], y[rows])
        """
    report = checked(cells(step), "net opt", loader=None, steps=1)
    assert report.ok
    assert not report.rows


def test_values_of_the_run_are_tracked(cells: Cells) -> None:
    """What is kept in `run.state` is no mistake, and may be all that is tracked."""
    tracking = Tracking()
    variables = cells("""
        def train_step():
            s.n += 1
            return s.n
        """)
    variables["s"] = tracking.values
    tracking.values.n = 0
    assert not check(tracking, variables["train_step"]).rows
    assert tracking.values.n == 0


def test_a_time_that_a_step_returns_is_noted_and_does_not_count(cells: Cells) -> None:
    """What is other each time, while the training is the same to the bit, says nothing about the training."""
    report = checked(
        cells("""
            import time
            ema = torch.optim.swa_utils.AveragedModel(net)
            def train_step(batch):
                loss = learn(*batch)
                ema.update_parameters(net)
                return {"loss": loss, "seconds": time.perf_counter()}
            """),
        "net opt",
    )
    assert [(row.level, row.what) for row in report.rows] == [("note", "seconds"), ("mistake", "ema")]


def test_the_report_is_a_table_with_the_mistakes_first() -> None:
    """What, what was found, what to do: in columns, the worst on top."""
    rows = (Row("note", "seen", "is lost", "nothing"), Row("mistake", "ema", "is not tracked", "run.track(ema=ema)"))
    report = Report(rows, 3, ("net", "opt"))
    assert not report.ok
    assert str(report).splitlines() == [
        "check · 1 mistake, 1 note in 3 steps",
        "  what  what was found  what to do",
        "  ema   is not tracked  run.track(ema=ema)",
        "  seen  is lost         nothing",
    ]


def test_the_report_of_a_correct_training_is_one_line() -> None:
    """It says what has been proved, and of what."""
    report = Report((), 1, ("net", "opt"))
    assert report.ok
    assert str(report) == "check · ok: 1 step gave the same bits after a restart (net, opt)"


def test_each_run_of_steps_is_announced(cells: Cells, capsys: pytest.CaptureFixture[str]) -> None:
    """A check of a large model takes a while, and says what it is doing."""
    checked(cells(STEP), "net opt")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all("check · " in line for line in lines)


def test_on_a_gpu_the_settings_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that do not repeat are the likely cause there, and three settings mend it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    (row,) = about_repeating("step 2 returns another loss", [])
    assert row.level == "mistake"
    assert row.found == "GPU kernels are not deterministic: from the same state, step 2 returns another loss"
    for setting in ("use_deterministic_algorithms(True)", "cudnn.benchmark = False", "CUBLAS_WORKSPACE_CONFIG"):
        assert setting in row.advice


@pytest.mark.parametrize("style", ["global", "nonlocal"])
def test_the_loader_is_called_as_the_user_calls_it(style: Any) -> None:
    """Where the step's surroundings know its name."""
    report = Notebook(style).check(
        "net opt",
        """
        class Shaken(Points):
            def __getitem__(self, index):
                return super().__getitem__(index)[0] + os.urandom(1)[0], 1
        loader = train_loader = DataLoader(Shaken(), 8)
        def train_step(batch):
            assert train_loader.batch_size == 8
            return learn(*batch)
        """,
    )
    assert report.rows[0].what in {"loader", "train_loader"}
