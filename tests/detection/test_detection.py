"""A detector of torchvision's is killed in every phase of its training, and ends like one that nobody killed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from detection.zygote import Life, Zygote, why_no_torchvision
from vm import KILLED

if TYPE_CHECKING:
    from detection.training import Place

__all__: list[str] = []

# One worker, so that torchvision is imported once and there is one undisturbed training.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("detection")]

STEPS = 12
EPOCHS = 3


@dataclass(frozen=True, kw_only=True)
class Story:
    """Where the lives of one training end, how often they save, and a step that was surely saved before the last."""

    deaths: list[tuple[Place, int]]
    every: int
    saved: int
    workers: tuple[int, ...] = (2,)


STORIES = {
    "in its very first step": Story(deaths=[("gradients", 1)], every=1, saved=0),
    "while it warms up": Story(deaths=[("stepped", 2)], every=1, saved=1),
    "in the middle of an epoch": Story(deaths=[("gradients", 8)], every=6, saved=6, workers=(2, 1)),
    "after the last batch of an epoch": Story(deaths=[("trained", 8)], every=7, saved=7),
    "while it evaluates": Story(deaths=[("evaluating", 8)], every=7, saved=7),
    "between two epochs": Story(deaths=[("next epoch", 8)], every=8, saved=8),
    "in one phase after another": Story(
        deaths=[("gradients", 3), ("evaluating", 4), ("next epoch", 4), ("stepped", 6), ("trained", 12)],
        every=1,
        saved=11,
        workers=(2, 0, 1),
    ),
}


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """One warm process for all lives."""
    if (reason := why_no_torchvision()) is not None:
        pytest.skip(reason)
    warm = Zygote()
    yield warm
    warm.close()


@pytest.fixture(scope="module")
def undisturbed(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the training comes to when nothing happens, and nothing is saved on its way."""
    folder = tmp_path_factory.mktemp("undisturbed")
    end = zygote.live(Life(store=str(folder / "vm"), remote=str(folder / "drive"), every=10**6))
    assert end.result is not None
    return end.result


def test_the_training_is_a_real_one(undisturbed: dict[str, Any]) -> None:
    """It warms up, its rate decays, it learns, and it finds boxes: else there would be little to compare."""
    logged = [values for _, _, values in undisturbed["history"]]
    steps = [values for values in logged if "loss" in values]
    rates = [values["rate"] for values in steps]
    precisions = [values["precision"] for values in logged if "precision" in values]
    assert len(steps) == STEPS
    assert rates[0] < rates[1] < rates[2] > rates[4] > rates[8]
    assert steps[-1]["smoothed"] < steps[4]["smoothed"]
    assert len(precisions) == EPOCHS
    assert 0 < max(precisions) < 1


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_detector_killed_here_ends_like_one_that_was_not(
    story: Story, zygote: Zygote, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """Each life on an empty disk: weights, optimizer, schedule, history, precision, and the numbers drawn next."""
    workers = itertools.cycle(story.workers)
    lives = [
        Life(
            store=str(tmp_path / f"vm{n}"),
            remote=str(tmp_path / "drive"),
            every=story.every,
            workers=next(workers),
            dies=death,
        )
        for n, death in enumerate([*story.deaths, None])
    ]
    *killed, last = [zygote.live(life) for life in lives]
    assert [end.status for end in killed] == [KILLED] * len(story.deaths)
    assert last.status == 0
    assert last.result is not None
    assert last.result["restored"] >= story.saved
    assert {**last.result, "restored": None} == undisturbed
