"""Code that owns its loop would count wrong after a restart, if it drew from `run.batches`: its first batch is refused.

Ignite, for one, makes up for batches that seem to be missing by another pass over the data.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm
from vm import live

import colab_resume
from colab_resume.errors import UsageError

__all__: list[str] = []


@pytest.fixture
def run(tmp_path: Path) -> Iterator[colab_resume.Run]:
    run = new(tmp_path)
    yield run
    run.finish()


def new(folder: Path) -> colab_resume.Run:
    return colab_resume.setup("drawn", store=folder / "disk", remote=folder / "drive")


def loader() -> Any:
    return DataLoader(torch.arange(6.0)[:, None], 2)


def ignite(batches: Any) -> None:
    from ignite.engine import Engine

    Engine(lambda engine, batch: None).run(batches, max_epochs=2)


def lightning(batches: Any) -> None:
    import lightning.pytorch as pl
    from lightning.pytorch.demos.boring_classes import BoringModel

    pl.Trainer(max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False).fit(
        BoringModel(), batches
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "owner", "instead"),
    [(ignite, "ignite", "write the loop with run.epochs"), (lightning, "lightning.pytorch", "run.attach")],
)
@pytest.mark.parametrize("around", [lambda batches: batches, tqdm], ids=["bare", "with a bar"])
def test_a_loop_that_others_own_is_refused(
    train: Callable[[Any], None], owner: str, instead: str, around: Callable[[Any], Any], tmp_path: Path
) -> None:
    """With what to do instead."""
    pytest.importorskip(owner.partition(".")[0])

    def refusal() -> list[str]:
        warnings.simplefilter("ignore")
        with pytest.raises(UsageError) as caught:
            train(around(new(tmp_path).batches(loader())))
        return [caught.value.what, caught.value.hint]

    status, (what, hint) = live(refusal)
    assert status == 0
    assert what.startswith(f"{owner} draws from run.batches")
    assert instead in hint


def test_what_draws_for_its_caller_is_none_of_them(run: colab_resume.Run) -> None:
    """Bars, and generators of one's own."""
    assert sum(float(batch.sum()) for batch in tqdm(run.batches(loader()), disable=True)) == 15
    assert sum(float(batch.sum()) for batch in (batch for batch in run.batches(loader()))) == 15


def test_batches_of_batches_are_the_same_batches(run: colab_resume.Run) -> None:
    """Also where somebody has asked for them twice."""
    twice = run.batches(run.batches(loader()))
    assert len(twice) == 3  # type: ignore[arg-type]
    assert [batch[0].item() for batch in twice] == [0, 2, 4]
