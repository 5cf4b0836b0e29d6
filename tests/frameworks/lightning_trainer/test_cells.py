"""What a notebook's user does around `trainer.fit()`: stops it, runs cells again, changes things, comes back."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from frameworks.story import Story
from vm import KILLED, live

"""The run is finished after the test has drawn, so the next session begins after that."""


@pytest.fixture
def cells(training: ModuleType) -> ModuleType:
    from frameworks.lightning_trainer import cells

    return cells


@pytest.mark.parametrize("anew", [False, True], ids=["fit again", "make the Trainer again"])
def test_a_training_that_is_stopped_goes_on_when_its_cell_runs_again(
    anew: bool, cells: ModuleType, story: Story
) -> None:
    """The stop waits for the end of the step."""
    life = story.life()
    status, found = live(lambda: cells.stopped_once(life, anew=anew))
    assert (status, found["saved"]) == (0, 8)
    assert found["end"] == story.tell([])["end"]


def test_a_training_that_fails_in_a_step_goes_on_when_its_cell_runs_again(cells: ModuleType, story: Story) -> None:
    """From the last boundary, in the same process."""
    life = story.life()
    status, found = live(lambda: cells.fails_once(life))
    assert status == 0
    assert found["end"] == story.tell([])["end"]


def test_a_training_that_is_complete_is_not_trained_again(story: Story) -> None:
    """On a new VM its weights and its books are there again, and no data are read."""
    first = story.tell([])
    again = story.go_on()
    assert again["reads"] == 0
    assert again["end"] == first["end"]


def test_a_training_that_was_stopped_early_is_complete(story: Story) -> None:
    """Although there would be epochs left."""

    def impatient(_: str) -> list[Any]:
        from lightning.pytorch.callbacks import EarlyStopping

        return [EarlyStopping("val_loss", min_delta=1000.0, patience=1)]

    first = story.tell([], callbacks=impatient, options={"max_epochs": 9})
    again = story.go_on(callbacks=impatient, options={"max_epochs": 9})
    assert (first["reads"], again["reads"]) == (2 * 44, 0)
    assert again["end"] == first["end"]


def test_a_death_after_the_last_step_repeats_that_step(story: Story) -> None:
    """What `fit` does at its end is done again."""
    whole = story.tell([])
    assert story.tell([("over", 33)])["end"] == whole["end"]


def test_more_epochs_later_are_trained_and_other_batches_are_refused(story: Story) -> None:
    """With another batch size a place in the middle of an epoch is another place."""
    story.tell([("begin", 5)], last=False)
    assert "an epoch had 11 batches, 1 to a step in the checkpoint, and has 8 batches, 1 to a step now" in (
        story.refusal(options={"limit_train_batches": 8})
    )
    story.go_on()
    assert story.go_on(options={"max_epochs": 4})["reads"] == 44


def test_fit_is_not_called_a_second_time(cells: ModuleType, story: Story) -> None:
    """A second training is a run of its own."""
    life = story.life()
    _, said = live(lambda: cells.fits_twice(life))
    assert "already stands for another object" in said
    assert "run.finish(), then setup with another name" in said


def test_batches_of_the_run_are_the_loader_to_a_trainer_that_is_attached(cells: ModuleType, story: Story) -> None:
    """Nothing is passed over twice."""
    whole = story.tell([])
    story.begin()
    first, second = story.life(death=("begin", 15)), story.life()
    assert live(lambda: cells.draws_from_batches(first))[0] == KILLED
    assert live(lambda: cells.draws_from_batches(second))[1]["end"] == whole["end"]


def test_two_trainings_after_one_another_are_two_runs(cells: ModuleType, story: Story) -> None:
    """Killed in the first, then in the second, each time on a new VM; the first one's weights come back untrained."""

    def tell(*lives: tuple[tuple[str, int] | None, ...]) -> Any:
        story.begin()
        for deaths in lives:
            life = story.life()
            status, found = live(lambda life=life, deaths=deaths: cells.two_runs(life, deaths))
            assert status == (KILLED if any(deaths) else 0)
        return found

    whole = tell((None, None))
    found = tell((("begin", 15), None), (None, ("end", 7)), (None, ("begin", 30)), (None, None))
    assert found == whole


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fast_dev_run": True}, "fast_dev_run"),
        ({"overfit_batches": 2}, "overfit_batches"),
        ({"reload_dataloaders_every_n_epochs": 2}, "reload_dataloaders_every_n_epochs"),
        ({"strategy": "ddp_spawn", "devices": 2}, "several processes"),
        ({"strategy": "ddp_spawn", "devices": 1}, "other processes"),
        ({"val_check_interval": "00:00:10:00"}, "val_check_interval is a time"),
    ],
)
def test_what_cannot_be_exact_is_refused_when_it_is_attached(
    options: dict[str, Any], reason: str, story: Story
) -> None:
    assert reason in story.refusal(options=options)


@pytest.mark.parametrize("name", ["ModelPruning", "StochasticWeightAveraging"])
def test_callbacks_that_change_what_a_restart_makes_anew_are_refused(name: str, story: Story) -> None:
    """Names of parameters, schedules."""

    def refused(_: str) -> list[Any]:
        from lightning.pytorch import callbacks

        made = {
            "ModelPruning": lambda: callbacks.ModelPruning("l1_unstructured", amount=0.5),
            "StochasticWeightAveraging": lambda: callbacks.StochasticWeightAveraging(0.01),
        }
        return [made[name]()]

    assert name in story.refusal(callbacks=refused)


def test_what_the_run_could_not_follow_is_refused_when_fit_is_called(cells: ModuleType, story: Story) -> None:
    """A checkpoint to begin at, several loaders, steps that draw, a search, a loop of the run around it."""
    life = story.life()
    _, said = live(lambda: cells.goes_elsewhere(life))
    reasons = ["the run knows where", "several loaders", "draws its batches itself", "a search for", "inside a loop"]
    assert all(reason in line for reason, line in zip(reasons, said, strict=True))
