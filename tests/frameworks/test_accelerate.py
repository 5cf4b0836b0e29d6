"""Loops with Accelerate, whose wrappers stand around the model, the optimizer, the schedule and the loader."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest
from frameworks.story import Story, told
from vm import live


@pytest.fixture(scope="module")
def accelerate_loop() -> ModuleType:
    """Imported here, and not by whoever only collects tests: it takes seconds."""
    pytest.importorskip("accelerate", reason="needs Accelerate (pip install accelerate)")
    from frameworks import accelerate_loop

    return accelerate_loop


@pytest.fixture
def story(accelerate_loop: ModuleType) -> Iterator[Story]:
    with told(accelerate_loop, accelerate_loop.outside_of_epochs) as story:
        yield story


@pytest.mark.parametrize("seedable", [False, True])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_a_killed_loop_ends_the_same_and_loads_no_batch_twice(accumulate: int, seedable: bool, story: Story) -> None:
    """Accumulated gradients are not cut in two, and batches that were trained on are skipped without loading them."""
    whole = story.tell([], accumulate=accumulate, seedable=seedable)
    found = story.tell([5, 10, 15, 23], accumulate=accumulate, seedable=seedable)
    assert found["end"] == whole["end"]
    assert found["reads"] == (33 - {1: 23, 4: 22}[accumulate]) * 4


def test_another_number_of_workers_makes_the_same_batches(story: Story) -> None:
    """Which could not be said of an iterable that nobody knows."""
    assert story.tell([5, 15], workers=(2, 0, 1))["end"] == story.tell([])["end"]


def test_what_was_accumulated_is_used_with_the_last_batch(story: Story) -> None:
    """As in a loop over Accelerate's own loader: of eleven batches, the eighth is followed by three."""
    assert story.tell([5, 15])["steps taken"] == 3 * 3


def test_a_sampler_whose_epoch_nobody_knows_is_refused(accelerate_loop: ModuleType, story: Story) -> None:
    life = story.life(seedable=True)
    assert "the number of each pass" in str(live(lambda: accelerate_loop.outside_of_epochs(life))[1])
