"""Keras's `fit` on TensorFlow, killed anywhere, ends bit for bit like one that never was."""

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
        ("stream", [["end", 4], ["epoch", 15]]),  # goes on at a short batch, for which TensorFlow has another graph
        ("own_model", [["end", 7], ["train end", 18]]),
        ("halves", [["begin", 1], ["end", 7], ["epoch", 12]]),
        ("boards", [["end", 3], ["validating", 10], ["end", 18]]),
        ("fit_of_tf_data", [["end", 4], ["epoch", 12], ["begin", 17]]),
    ],
)
def test_a_fit_that_is_killed_ends_like_one_that_never_was(fit: str, deaths: list[Any], story: Story) -> None:
    """Weights, optimizer, metrics, History, callbacks, what they were called with, and the next random numbers."""
    story.survives(fit, deaths)


def test_what_is_taken_before_a_step_is_not_changed_by_it(story: Story) -> None:
    """So a checkpoint may be copied from TensorFlow's own memory while the training goes on."""
    status, found = story.live("held")
    assert status == 0, story.why()
    assert found["stays"] == found["moves"] == [True] * 12


def test_what_lost_steps_have_shown_on_a_board_is_gone(story: Story) -> None:
    """On the same disk, and also if their process had saved nothing yet when it died."""
    unkilled = story.tell("boards", every=1000)
    for death in (["end", 4], ["end", 3], None):
        status, found = story.live("boards", store="kept", remote="shared", every=3, death=death)
        assert (status == 0) == (death is None), story.why()
    assert found["end"] == unkilled["end"]


def test_datasets_that_could_not_be_brought_back_are_refused_by_fit(story: Story) -> None:
    """Before the first step."""
    status, said = story.live("refused_in_fit")
    assert status == 0, story.why()
    assert "steps_per_epoch=2 with tf.data" in said.pop("in_steps")
    assert "repeat() comes after shuffle()" in said.pop("repeat")
    assert "cannot say where it is" in said.pop("drawn_in_map")
    assert "validation_data is shuffled anew" in said.pop("validation")
    assert not said
