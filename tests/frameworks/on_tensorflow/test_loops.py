"""Loops of one's own on TensorFlow, killed anywhere, end bit for bit like one that never was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from vm import KILLED

if TYPE_CHECKING:
    from frameworks.stems import Story


@pytest.mark.parametrize(
    ("scene", "deaths"),
    [
        # At the end of a pass a shuffle is closed, and TensorFlow does not say any more how often it had been opened.
        ("epochs", [["end", 5], ["end", 9], ["end", 11]]),
        ("steps", [["end", 1], ["end", 7], ["end", 15]]),
    ],
)
def test_a_loop_that_is_killed_again_and_again_ends_like_one_that_never_was(
    scene: str, deaths: list[Any], story: Story
) -> None:
    """Variables, optimizers, metrics, what was logged, and the next random numbers of all generators."""
    story.survives(scene, deaths)


def test_a_value_that_was_looked_at_is_changed_by_nothing(story: Story) -> None:
    """So a checkpoint may be copied from TensorFlow's own memory while the training goes on."""
    status, found = story.live("looked_at")
    assert status == 0, story.why()
    assert len(found) == 10
    assert {name: seen for name, seen in found.items() if seen != {"stays": True, "moves": True}} == {}


def test_what_could_not_be_brought_back_is_refused_before_the_first_step(story: Story) -> None:
    """Each with its reason."""
    status, said = story.live("refused")
    assert status == 0
    for name, why in {
        "batches: no seed": "shuffle has no seed",
        "batches: repeat": "repeat() comes after shuffle()",
        "batches: cached order": "CacheDataset comes after it",
        "batches: twice": "two places shuffle anew",
        "batches: drawn in map": "cannot say where it is",
        "batches: python": "cannot say where it is",
        "batches: generator": "cannot say where it is",
        "batches: in any order": "told to be nondeterministic",
        "batches: snapshot": "snapshot() cannot be restored",
        "batches: cache in a file": "goes with the VM",
        "a dataset": "no place that could be kept",
        "an iterator to iterate": "give it the dataset",
        "two iterators": "second iterator of a shuffled dataset",
        "an unbuilt model": "net has no variables yet",
        "an unbuilt one inside": "c.net has no variables yet",
        "a strategy": "tf.distribute",
    }.items():
        assert why in said.pop(name, "nothing"), name
    assert not said


def test_another_model_is_refused_as_a_whole_and_so_is_an_optimizer_that_comes_too_late(story: Story) -> None:
    """Nothing is put into what does not fit."""
    assert story.live("changed", death=["end", 1])[0] == KILLED
    status, other = story.live("changed", options={"width": 4})
    assert status == 0
    assert "kernel is float32[2, 3] in the checkpoint, float32[2, 4] now" in other["said"]
    assert other["untouched"]
    status, late = story.live("changed", options={"lonely": True})
    assert status == 0
    assert "optimizer.build(model.trainable_variables)" in late["said"]


def test_a_cell_that_is_run_again_goes_on_in_the_same_order_or_says_that_it_cannot(story: Story) -> None:
    """A shuffle that is open is set back; one that has been opened too often is not, and nothing can set it back."""
    _, whole = story.live("left_early", remote="whole", options={"leaves at": []})
    status, again = story.live("left_early", remote="again", options={"leaves at": [8]})
    assert status == 0, story.why()
    assert again == whole
    assert whole["said"] == ""
    status, too_far = story.live("left_early", remote="too far", every=1000, options={"leaves at": [8]})
    assert status == 0, story.why()
    assert "run the cell that makes the dataset again" in too_far["said"]


def test_random_operations_that_count_for_themselves_are_warned_of(story: Story) -> None:
    """In a `tf.function` of the user's, also in a branch of it, and in a layer of a `fit`; others are not."""
    status, said = story.live("counted")
    assert status == 0, story.why()
    (in_loop,), (in_fit,) = said["loop"], said["fit"]
    assert in_loop.startswith("colab_resume · loop: step draws by RandomUniform, which counts its draws where nobody")
    assert in_fit.startswith(
        "colab_resume · a layer, a loss or a train_step draws by RandomStandardNormal, which counts"
    )
    assert said["clean_loop"] == said["clean_fit"] == []


@pytest.mark.parametrize("fits", [False, True], ids=["in a loop", "in a fit"])
@pytest.mark.parametrize("kind", ["arrays", "files", "seed"])
def test_a_pipeline_of_other_data_is_told(kind: str, fits: bool, story: Story) -> None:
    """Where the restart leads to the end of an epoch: there no iterator has kept anything of the data of before."""
    for number in (0, 1):
        first, then = ({"kind": kind, "fits": fits, "number": one} for one in (0, number))
        remote = f"drive {number}"
        assert story.live("other_data", remote=remote, death=["step", 6], options=first)[0] == KILLED, story.why()
        status, found = story.live("other_data", remote=remote, options=then)
        assert status == 0, story.why()
        assert sum("not what they were when the loop began first" in line for line in found["said"]) == number, found
