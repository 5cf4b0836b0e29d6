"""Keras's `fit` on JAX, killed anywhere, ends bit for bit like one that never was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from frameworks.stems import Story


@pytest.mark.parametrize(
    ("fit", "deaths"),
    [
        ("arrays", [["end", 3], ["epoch", 10]]),
        ("own_dataset", [["begin", 4], ["validating", 10]]),
        ("stream", [["end", 4], ["epoch", 15]]),
        ("on_a_gpu", [["end", 7], ["begin", 12]]),
        ("loop_of_fits", [["end", 7], ["epoch", 15], ["end", 17]]),
        ("parts_of_the_data", [["end", 7], ["begin", 16]]),
        ("own_model", [["end", 7], ["train end", 12], ["begin", 15]]),
        ("looked_at", [["end", 4], ["begin", 8]]),
        ("ahead", [["begin", 4], ["begin", 9], ["epoch", 12], ["begin", 14]]),
    ],
)
def test_a_fit_that_is_killed_ends_like_one_that_never_was(fit: str, deaths: list[Any], story: Story) -> None:
    """Weights, optimizer, metrics, History, callbacks, what they were called with, and the next random numbers."""
    story.survives(fit, deaths)


def test_the_number_of_workers_may_change_from_life_to_life(story: Story) -> None:
    """Chance hangs on the batch, and not on the process that makes it."""
    unkilled = story.tell("loader", every=1000)
    for workers, death in ((2, ["end", 7]), (1, None)):
        status, found = story.live("loader", remote="shared", death=death, workers=workers)
        assert (status == 0) == (death is None), story.why()
    assert found["end"] == unkilled["end"]


def test_what_is_taken_before_a_step_is_not_changed_by_it(story: Story) -> None:
    """So a checkpoint may be copied from JAX's own memory while the training goes on."""
    status, found = story.live("held")
    assert status == 0, story.why()
    assert found["stays"] == found["moves"] == [True] * 12


def test_a_model_that_is_spread_over_devices_is_refused(story: Story) -> None:
    """Before the first step."""
    status, found = story.live("on_several_devices")
    assert status == 0, story.why()
    assert "keras.distribution" in found["said"]


def test_the_next_batch_is_made_while_a_step_computes(story: Story) -> None:
    """As the newest Keras and JAX do it without a run; for that nobody may wait for the step's numbers."""
    status, found = story.live("not_waited_for", every=1000)
    assert status == 0, story.why()
    assert found["computes"] == [True] * 5
