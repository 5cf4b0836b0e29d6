"""What a notebook's user does around `trainer.train()`: stops it, runs cells again, changes things, comes back."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from frameworks.story import Story
from vm import KILLED, live

"""The run is finished after the test has drawn, so the next session begins after that."""


@pytest.fixture
def cells(training: ModuleType) -> ModuleType:
    from frameworks.transformers_trainer import cells

    return cells


@pytest.mark.slow
@pytest.mark.parametrize("anew", [False, True], ids=["train again", "make the Trainer again"])
def test_a_training_that_is_stopped_goes_on_when_its_cell_runs_again(
    anew: bool, cells: ModuleType, story: Story
) -> None:
    """The stop waits for the end of the step, and no step is made twice."""
    life = story.life()
    status, found = live(lambda: cells.stopped_once(life, anew=anew))
    assert status == 0
    assert (found["saved"], found["reads"]) == (8, 33 * 4)
    assert found["end"] == story.tell([])["end"]


@pytest.mark.slow
def test_a_training_that_fails_in_a_step_goes_on_when_its_cell_runs_again(cells: ModuleType, story: Story) -> None:
    """From the last boundary, in the same process."""
    life = story.life()
    status, found = live(lambda: cells.fails_once(life))
    assert status == 0
    assert found["end"] == story.tell([])["end"]


def test_steps_that_run_again_in_this_process_are_told_to_wandb_once(
    cells: ModuleType, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run goes on, and takes no word back."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    options = {"report_to": "wandb", "logging_steps": 1}
    life = story.life(every=5, options=options)
    status, found = live(lambda: cells.fails_once(life))
    assert status == 0
    assert [line["train/global_step"] for line in found["end"]["wandb"] if "train/loss" in line] == list(range(1, 34))


def test_a_logger_that_is_added_late_logs_each_step_once(cells: ModuleType, story: Story) -> None:
    """It begins after the others."""
    pytest.importorskip("tensorboard")
    elsewhere, first, second = story.life(), story.life(death=("end", 15)), story.life()
    whole = live(lambda: cells.logs_later(replace(elsewhere, remote=f"{elsewhere.store}-drive")))[1]
    assert live(lambda: cells.logs_later(first))[0] == KILLED
    assert live(lambda: cells.logs_later(second))[1]["end"]["board"] == whole["end"]["board"]


@pytest.mark.slow
def test_a_training_that_is_complete_is_not_trained_again(story: Story) -> None:
    """On a new VM its weights, its books and what `train` returned are there again, and no data are read."""
    first = story.tell([])
    again = story.go_on()
    assert again["reads"] == 0
    assert again["end"] == first["end"]


@pytest.mark.slow
def test_a_death_after_the_last_step_repeats_that_step(story: Story) -> None:
    """What `train` does at its end is done again."""
    whole = story.tell([])
    assert story.tell([("over", 33)])["end"] == whole["end"]


@pytest.mark.slow
def test_more_epochs_later_are_trained_and_other_batches_are_refused(story: Story) -> None:
    """With another batch size a place in the middle of an epoch is another place."""
    story.tell([("begin", 5)], last=False)
    assert "an epoch had 11 steps of 1 batches in the checkpoint, and has 6 of 1 now" in story.refusal(
        options={"per_device_train_batch_size": 8}
    )
    assert story.go_on(options={"num_train_epochs": 4})["end"]["state"][0] == 44


def test_train_is_not_called_a_second_time(cells: ModuleType, story: Story) -> None:
    """A second training would need a name of its own."""
    life = story.life()
    _, said = live(lambda: cells.trains_twice(life))
    assert "already stands for another object" in said


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"auto_find_batch_size": True}, "auto_find_batch_size"), ({"ignore_data_skip": True}, "ignore_data_skip")],
)
def test_what_cannot_be_exact_is_refused_when_it_is_attached(
    options: dict[str, Any], reason: str, story: Story
) -> None:
    assert reason in story.refusal(options=options)


def test_a_place_of_its_own_to_resume_from_is_refused(cells: ModuleType, story: Story) -> None:
    life = story.life()
    _, said = live(lambda: cells.resumes_elsewhere(life))
    assert "the run knows where to go on" in said
