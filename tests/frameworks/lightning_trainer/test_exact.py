"""Trainings with Lightning's `Trainer` end as if they had never been killed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from frameworks.story import Story


def _parts(name: str) -> Any:
    """From a module that is imported only by the test that runs."""
    from frameworks.lightning_trainer import parts

    return getattr(parts, name)


def test_a_killed_training_ends_the_same_and_loads_no_batch_twice(story: Story) -> None:
    """Shuffling, dropout, augmentation by three generators, a schedule, sums of an epoch in progress."""
    found = story.check([("begin", 5), ("end", 25)])
    assert found["reads"] == (33 - 24) * 4


def test_another_number_of_workers_makes_the_same_batches(story: Story) -> None:
    """Augmentation in worker processes does not depend on how many there are."""
    story.check([("begin", 5), ("end", 15)], workers=(2, 0, 1))


def test_accumulated_gradients_are_of_whole_steps(story: Story) -> None:
    """Also where the last step of an epoch has fewer batches."""
    story.check([("begin", 2), ("end", 9), ("epoch", 11)], options={"accumulate_grad_batches": 3})


def test_validations_leave_no_trace_in_the_training(story: Story) -> None:
    """They draw more when their persistent workers are started, which a restart does once more."""
    options = {"val_check_interval": 4, "num_sanity_val_steps": 0}
    deaths = [("validating", 4), ("begin", 13), ("validating", 26)]
    story.check(deaths, (2,), loading={"persistent_workers": True}, options=options)


def test_the_best_checkpoints_and_the_patience_come_back(story: Story) -> None:
    """In another folder on a new VM the files of the best two are there; early stopping stops in the same epoch."""

    def watching(output: str) -> list[Any]:
        from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

        name = "{epoch}-{val_loss:.3f}"
        worst = ModelCheckpoint(f"{output}/kept", name, monitor="val_loss", mode="max", save_top_k=2, save_last=True)
        return [worst, EarlyStopping("val_loss", min_delta=1000.0, patience=5)]

    options = {"max_epochs": 9, "limit_train_batches": 3, "enable_checkpointing": True}
    deaths = [("validating", 6), ("begin", 8), ("epoch", 12), ("epoch begins", 15)]
    found = story.check(deaths, options=options, callbacks=watching)
    assert found["end"]["stop"]
    assert len(found["end"]["files"][0][1]) == 3


def test_steps_that_the_user_makes_by_hand(story: Story) -> None:
    """Two optimizers in turn, with gradients that wait for their step."""
    story.check([("begin", 2), ("begin", 6), ("epoch", 22)], model=_parts("ByHand"))


def test_data_without_a_length_go_on(story: Story) -> None:
    """The Trainer draws one batch of them ahead."""
    deaths = [("begin", 1), ("end", 11), ("begin", 12), ("validating", 22), ("begin", 30)]
    story.check(deaths, rows=_parts("Stream"))


def test_steps_instead_of_epochs_and_half_precision_go_on(story: Story) -> None:
    story.check([("begin", 5), ("epoch", 11)], options={"max_epochs": -1, "max_steps": 17, "precision": "bf16-mixed"})


def test_a_datamodule_and_a_schedule_that_looks_at_a_metric_go_on(story: Story) -> None:
    """What it says of itself, the split that it makes by chance, and loaders that it makes anew in each epoch; the
    metric was logged an epoch before."""
    options = {"reload_dataloaders_every_n_epochs": 1, "max_epochs": 4}
    model = partial(_parts("Net"), plateau=True)
    deaths = [("begin", 5), ("epoch", 18), ("begin", 20)]
    found = story.check(deaths, model=model, data=_parts("Data"), options=options)
    assert found["end"]["data"] == {"asked": 4}


def test_layers_that_are_unfrozen_later_and_an_accumulation_that_changes_go_on(story: Story) -> None:
    """A parameter group is added in the second epoch; from then on two batches make a step."""

    def changing(_: str) -> list[Any]:
        from lightning.pytorch.callbacks import BackboneFinetuning, GradientAccumulationScheduler

        unfreezing = BackboneFinetuning(unfreeze_backbone_at_epoch=1, lambda_func=lambda epoch: 1.5)
        return [unfreezing, GradientAccumulationScheduler({0: 1, 1: 2})]

    deaths = [("begin", 5), ("epoch", 11), ("end", 17), ("begin", 29)]
    story.check(deaths, model=_parts("OnABackbone"), callbacks=changing)


def test_averaged_weights_and_what_the_model_itself_puts_into_a_checkpoint_go_on(story: Story) -> None:
    """Weights in callbacks, one of the user's own and Lightning's; `on_save_checkpoint` and `on_load_checkpoint`."""

    def averaging(_: str) -> list[Any]:
        from lightning.pytorch.callbacks import EMAWeightAveraging

        return [_parts("Averaging")(), EMAWeightAveraging()]

    deaths = [("begin", 5), ("end", 15), ("validating", 22)]
    story.check(deaths, model=_parts("Remembering"), callbacks=averaging)


def test_files_of_lost_steps_are_set_aside_and_written_again(story: Story, tmp_path: Path) -> None:
    """The folder outlives the training: else the same steps would give their files other names."""

    def every_second_step(folder: Path) -> Any:
        from lightning.pytorch.callbacks import ModelCheckpoint

        return lambda _: [ModelCheckpoint(folder, "{step}", every_n_train_steps=2, save_top_k=-1)]

    options: dict[str, Any] = {"every": 1000, "options": {"enable_checkpointing": True}}
    whole = story.tell([], callbacks=every_second_step(tmp_path / "whole"), **options)
    found = story.tell([("begin", 7)], callbacks=every_second_step(tmp_path / "killed"), **options)
    assert found["end"] == whole["end"]
    aside = tmp_path / "killed" / "lost steps"
    assert sorted(file.name for file in aside.iterdir()) == ["step=2.ckpt", "step=4.ckpt", "step=6.ckpt"]
