"""Trainings with the `Trainer` end as if they had never been killed."""

from __future__ import annotations

from typing import Any

import pytest
from frameworks.story import Story


def _parts(name: str) -> Any:
    """From a module that is imported only by the test that runs."""
    from frameworks.transformers_trainer import parts

    return getattr(parts, name)


def test_a_killed_training_ends_the_same_and_loads_no_batch_twice(story: Story) -> None:
    """Shuffling, dropout, augmentation by three generators, a schedule; between two steps and in the middle of one."""
    found = story.check([("begin", 5), ("end", 15)])
    assert found["reads"] == (33 - 14) * 4


@pytest.mark.slow
def test_another_number_of_workers_makes_the_same_batches(story: Story) -> None:
    """Augmentation in worker processes does not depend on how many there are."""
    story.check([("begin", 5), ("end", 15)], workers=(2, 0, 1))


@pytest.mark.slow
def test_accumulated_gradients_are_of_whole_steps(story: Story) -> None:
    """Also where the last step of an epoch has fewer batches."""
    options = {"gradient_accumulation_steps": 3}
    story.check([("substep", 2), ("begin", 4), ("end", 6), ("epoch", 8)], options=options)


@pytest.mark.slow
def test_evaluations_leave_no_trace_in_the_training(story: Story) -> None:
    """They draw more when their persistent workers are started, which a restart does once more."""
    options = {"eval_strategy": "steps", "eval_steps": 4, "dataloader_persistent_workers": True}
    story.check([("evaluating", 4), ("begin", 13), ("evaluating", 24)], workers=(2,), options=options)


@pytest.mark.slow
def test_the_best_model_and_the_patience_come_back(story: Story) -> None:
    """The best model's folder is on the new VM, and loaded in the end; early stopping stops in the same step."""
    options = {
        "eval_strategy": "steps",
        "eval_steps": 4,
        "save_strategy": "steps",
        "save_steps": 4,
        "save_total_limit": 1,
        "load_best_model_at_end": True,
        "num_train_epochs": 9,
        "learning_rate": 0.1,
    }

    def impatient() -> list[Any]:
        from transformers import EarlyStoppingCallback

        return [EarlyStoppingCallback(2)]

    found = story.check([("begin", 5), ("evaluating", 12), ("begin", 18)], options=options, callbacks=impatient)
    step, *_, best = found["end"]["state"]
    assert (best, step) == (16, 24)
    assert found["end"]["best"]


@pytest.mark.slow
def test_steps_instead_of_epochs_and_what_is_logged_by_epoch(story: Story) -> None:
    options = {"max_steps": 17, "eval_strategy": "epoch", "logging_strategy": "epoch", "eval_on_start": True}
    story.check([("epoch", 11), ("evaluating", 11), ("begin", 12), ("end", 16)], options=options)


@pytest.mark.slow
def test_a_language_model_with_batches_by_length_goes_on(story: Story) -> None:
    """The sampler draws, and so does the collator."""
    options = {"train_sampling_strategy": "group_by_length", "remove_unused_columns": False}
    parts = {"model": _parts("tiny_gpt2"), "rows": _parts("Texts"), "collate": _parts("masked")}
    story.check([("begin", 5), ("end", 15), ("begin", 22)], options=options, **parts)


@pytest.mark.slow
def test_data_without_a_length_go_on(story: Story) -> None:
    """Over several epochs, the number of which nobody has said."""
    options = {"max_steps": 25}
    story.check([("begin", 5), ("end", 15)], options=options, rows=_parts("Stream"))


def test_tensorboard_shows_no_point_twice_and_misses_none(story: Story) -> None:
    """On the last VM, in one folder; also what is logged at the end of a training that is complete, and run again."""
    pytest.importorskip("tensorboard")
    options = {"report_to": "tensorboard", "logging_steps": 1, "eval_strategy": "epoch"}
    found = story.check([("begin", 5), ("evaluating", 11), ("end", 16)], every=4, options=options)
    assert [step for step, _ in found["end"]["board"]["train/loss"]] == list(range(1, 34))
    assert found["end"]["board"]["args/text_summary"] == 1
    (folder,) = found["boards"]
    assert folder.endswith("disk2"), "the machine of the first life"
    again = story.go_on(options=options)
    assert (again["boards"], again["end"]["board"]) == (found["boards"], found["end"]["board"])


def test_the_newest_run_of_wandb_has_each_point_once(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that earlier lives had logged, on other VMs."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    options = {"report_to": "wandb", "run_name": "hf", "eval_strategy": "epoch"}
    found = story.check([("evaluating", 11), ("end", 16)], every=4, options=options)
    steps = [line["train/global_step"] for line in found["end"]["wandb"] if "train/loss" in line]
    assert steps == list(range(2, 34, 2))


def test_what_a_trainer_of_ones_own_keeps_in_itself_comes_back(story: Story) -> None:
    """A draw that is used for five steps, a counter, sums that are logged every second step: as in TRL's trainers."""
    story.check([("begin", 7), ("end", 13)], kind=_parts("Reusing"))


@pytest.mark.slow
def test_an_epoch_that_a_callback_cuts_short_is_over(story: Story) -> None:
    """The Trainer by itself would count its steps into the next one."""
    story.check([("begin", 8), ("begin", 20)], callbacks=lambda: [_parts("CutsShort")()])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"bf16": True}, id="bf16"),
        pytest.param({"accelerator_config": {"use_seedable_sampler": False}}, id="torch's own sampler"),
        pytest.param(
            {"lr_scheduler_type": "reduce_lr_on_plateau", "eval_strategy": "steps", "eval_steps": 2}, id="plateau"
        ),
    ],
)
def test_what_the_arguments_choose_goes_on(options: dict[str, Any], story: Story) -> None:
    """Half precision, how is shuffled, a schedule that looks at evaluations."""
    story.check([("begin", 5), ("end", 15)], options=options)
