"""Loops with Lightning Fabric, whose wrappers stand around the model, the optimizer and the loader."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest
from frameworks.story import Story, told
from vm import live


@pytest.fixture(scope="module")
def fabric_loop() -> ModuleType:
    """Imported here, and not by whoever only collects tests: it takes seconds."""
    pytest.importorskip("lightning.fabric", reason="needs Lightning (pip install lightning)")
    from frameworks import fabric_loop

    return fabric_loop


@pytest.fixture
def story(fabric_loop: ModuleType) -> Iterator[Story]:
    with told(fabric_loop, fabric_loop.outside_of_epochs) as story:
        yield story


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_a_killed_loop_ends_the_same_and_loads_no_batch_twice(precision: str, story: Story) -> None:
    """The wrapper around the loader hides nothing: batches that were trained on are skipped without loading them."""
    whole, found = story.tell([], precision=precision), story.tell([5, 15], precision=precision)
    assert found["end"] == whole["end"]
    assert found["reads"] == (33 - 15) * 4


def test_another_number_of_workers_makes_the_same_batches(story: Story) -> None:
    """Which could not be said of an iterable that nobody knows."""
    assert story.tell([5, 15], workers=(2, 0, 1))["end"] == story.tell([])["end"]


def test_a_sampler_is_told_the_number_of_the_epoch(story: Story) -> None:
    """Fabric by itself counts the passes in this process, from 0 on after each restart."""
    whole, found = story.tell([], own_order=True), story.tell([15, 25], own_order=True)
    assert found == {**whole, "reads": (33 - 25) * 4, "told": 2}


def test_a_sampler_whose_epoch_nobody_knows_is_refused(fabric_loop: ModuleType, story: Story) -> None:
    life = story.life(own_order=True)
    assert "the number of each pass" in str(live(lambda: fabric_loop.outside_of_epochs(life))[1])
