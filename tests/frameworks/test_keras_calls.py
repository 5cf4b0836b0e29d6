"""Calls of `fit` on an attached model: left early and made again, over already, or such as cannot be meant."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from frameworks.keras_scenes import Halves, Scene, X, Y, arrays, halves
from vm import KILLED, live

from colab_resume.errors import StateMismatch, UsageError

import keras  # isort: skip - the scenes choose its back end
from keras import layers

Life = Callable[[Scene], Any]


def _lived(life: Life, folder: Path, *, vm: str = "vm", **options: Any) -> Any:
    status, found = live(lambda: life(Scene(store=folder / vm, remote=folder / "drive", **options)))
    assert status == 0
    return found


def _fails_once_at(step: int, fail: Callable[[], None], scene: Scene) -> keras.callbacks.Callback:
    def begin(batch: int, logs: Any = None) -> None:
        if scene.run.status().step == step and not scene.kept.get("failed"):
            scene.kept["failed"] = True
            fail()

    return keras.callbacks.LambdaCallback(on_train_batch_begin=begin)


def _flush_at_each_step(scene: Scene) -> keras.callbacks.Callback:
    """So that nothing keeps the next boundary from being saved."""
    return keras.callbacks.LambdaCallback(on_train_batch_begin=lambda *_, **__: scene.run.flush())


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _break() -> None:
    raise ZeroDivisionError


class Watching(layers.Layer):
    """Sees, in the middle of each step, whether something is still being copied."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene
        self.seen: list[bool] = []

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.seen.append(self._scene.run._saving._capture._late is not None)
        return x


def test_weights_and_moments_are_copied_while_the_next_step_computes(tmp_path: Path) -> None:
    """Where there is much of them, after a boundary at which it was seen that nothing else changes them."""

    def life(scene: Scene) -> Any:
        run = scene.setup()
        watching = Watching(scene)
        model = run.attach(keras.Sequential([layers.Dense(600), watching, layers.Dense(600), layers.Dense(1)]))
        model.compile(keras.optimizers.AdamW(0.02), "mse")
        scene.fit(model, X, Y, batch_size=8, epochs=2, callbacks=[_flush_at_each_step(scene)])
        return {**scene.end(model), "seen": watching.seen, "apply": "apply" in vars(model.optimizer)}

    found = _lived(life, tmp_path)
    assert found["seen"][2:6] == [True] * 4
    assert not found["apply"]


@pytest.mark.parametrize(("fail", "error"), [(_interrupt, KeyboardInterrupt), (_break, ZeroDivisionError)])
@pytest.mark.parametrize("every", [1, 4])
def test_a_fit_that_is_left_goes_on_when_the_cell_runs_again(
    fail: Callable[[], None], error: type[BaseException], every: int, tmp_path: Path
) -> None:
    """With the same objects in the same process; Ctrl-C waits for the end of the step."""

    def life(scene: Scene, *, fails: bool) -> Any:
        scene.setup()
        model = scene.model()
        breaks = [_fails_once_at(7, fail, scene)] if fails else []
        for _ in range(1 + fails):
            scene.histories.clear()
            try:
                scene.fit(model, X, Y, batch_size=8, callbacks=[keras.callbacks.EarlyStopping("loss"), *breaks])
            except error:
                scene.kept["saved"] = scene.run.status().saved
        found = scene.end(model)["end"]
        return [found["weights"], found["histories"][-1], found["next numbers"], scene.kept.get("saved")]

    *left, saved = _lived(lambda scene: life(scene, fails=True), tmp_path / "a", every=every)
    *whole, _ = _lived(lambda scene: life(scene, fails=False), tmp_path / "b", every=every)
    assert left == whole
    assert fail is _break or saved == 8  # the step that was under way is done and saved


def test_optimizers_of_its_own_begin_anew_with_it(tmp_path: Path) -> None:
    """The same objects have made steps, and had made none where the training goes back to."""

    def life(scene: Scene, *, fails: bool) -> Any:
        model = scene.setup().attach(Halves())
        model.compile()
        if fails:
            with pytest.raises(ZeroDivisionError):
                scene.fit(model, X, Y, batch_size=8, callbacks=[_fails_once_at(7, _break, scene)])
        scene.histories.clear()
        scene.fit(model, X, Y, batch_size=8)
        slots = [*model.judges.variables, *model.by_half["maker"].variables]
        return scene.end(model, [keras.ops.convert_to_numpy(slot).tolist() for slot in slots])["end"]

    left = _lived(lambda scene: life(scene, fails=True), tmp_path / "a", every=1000)
    whole = _lived(lambda scene: life(scene, fails=False), tmp_path / "b", every=1000)
    assert left == whole


def test_optimizers_of_its_own_are_there_after_a_fit_that_is_over(tmp_path: Path) -> None:
    """Which makes no step any more, for which they would be made."""
    first, again = (_lived(halves, tmp_path)["end"] for _ in range(2))
    assert first["others"] == again["others"]
    assert first["weights"] == again["weights"]


def test_a_model_with_other_optimizers_is_refused(tmp_path: Path) -> None:
    """Here one more than there were."""

    def life(scene: Scene, *, more: bool) -> None:
        model = scene.setup().attach(Halves())
        model.compile()
        if more:
            model.third = keras.optimizers.Adam()
        scene.fit(model, X, Y, batch_size=8)

    status, _ = live(
        lambda: life(Scene(store=tmp_path / "vm", remote=tmp_path / "drive", death=("end", 3)), more=False)
    )
    assert status == KILLED
    assert "2 optimizers beside the model's own in the checkpoint, 3 now" in _refused(
        lambda scene: life(scene, more=True), tmp_path
    )


def test_a_fit_that_is_over_is_not_run_again_and_gives_its_history(tmp_path: Path) -> None:
    """Nor are its callbacks; but they know what they knew."""

    def life(scene: Scene) -> Any:
        scene.setup()
        model = scene.model()
        stop = keras.callbacks.EarlyStopping("loss")
        history = scene.fit(model, X, Y, batch_size=8, callbacks=[stop])
        scene.run.finish()
        return [history.history, history.epoch, stop.best, model.evaluate(X, Y, verbose=0), len(scene.moments)]

    *first, many = _lived(life, tmp_path, vm="one")
    *second, none = _lived(life, tmp_path, vm="two")
    assert (first, many > 0, none) == (second, True, 0)


def test_a_fit_that_is_over_may_be_given_more_epochs(tmp_path: Path) -> None:
    """Then it goes on as if it had been asked for them from the beginning."""

    def life(scene: Scene, *, epochs: int) -> Any:
        scene.setup()
        model = scene.model()
        scene.fit(model, X, Y, batch_size=8, epochs=epochs)
        return scene.end(model)["end"]

    _lived(lambda scene: life(scene, epochs=2), tmp_path / "a", vm="one")
    more = _lived(lambda scene: life(scene, epochs=4), tmp_path / "a", vm="two")
    assert more == _lived(lambda scene: life(scene, epochs=4), tmp_path / "b")


def test_epochs_are_counted_on_in_what_keras_prints(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Epoch 3 of 5 stays epoch 3 of 5."""

    def life(scene: Scene) -> None:
        run = scene.setup()
        # What the first life has not sent when it is killed, the second one cannot go on from.
        sent = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: run.flush())
        scene.fit(scene.model(), X, Y, batch_size=8, epochs=4, verbose=2, callbacks=[sent])

    scene = Scene(store=tmp_path / "one", remote=tmp_path / "drive", death=("end", 14))
    assert live(lambda: life(scene))[0] == KILLED
    capfd.readouterr()
    _lived(life, tmp_path, vm="two")
    printed = capfd.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("Epoch ")] == ["Epoch 3/4", "Epoch 4/4"]


def _refused(life: Life, folder: Path) -> str:
    def body(scene: Scene) -> str:
        try:
            life(scene)
        except (StateMismatch, UsageError) as error:
            return f"{type(error).__name__}: {error}"
        return "nothing was refused"

    return str(_lived(body, folder, vm="refusing"))


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """Where a fit over arrays has died in its third epoch."""
    scene = Scene(store=tmp_path / "vm", remote=tmp_path / "drive", death=("end", 12))
    assert live(lambda: arrays(scene))[0] == KILLED
    return tmp_path


@pytest.mark.parametrize(
    ("options", "what"),
    [({"x": X[:30], "y": Y[:30]}, "24 samples in batches of 8"), ({"batch_size": 16}, "33 samples in batches of 16")],
)
def test_other_data_or_batches_are_refused_after_a_restart(options: dict[str, Any], what: str, killed: Path) -> None:
    """Before anything is trained; in words that say what was and what is."""

    def life(scene: Scene) -> None:
        scene.setup()
        given = {"x": X, "y": Y, "batch_size": 8, **options}
        scene.fit(scene.model(), epochs=5, validation_split=0.2, **given)

    refused = _refused(life, killed)
    assert refused.startswith("StateMismatch: the checkpoint was made in a fit over 33 samples in batches of 8")
    assert what in refused


@pytest.mark.parametrize("built", [False, True])
def test_another_model_is_refused_by_name(built: bool, killed: Path) -> None:
    """When it is attached, if it has weights by then; else before the first step."""

    def life(scene: Scene) -> None:
        scene.setup()
        model = keras.Sequential([layers.Dense(9), layers.BatchNormalization(), layers.Dense(1)])
        model.compile("adam", "mse", metrics=["accuracy"])
        if built:
            model.build((None, 4))
        scene.run.attach(model)
        scene.fit(model, X, Y, batch_size=8, epochs=5, validation_split=0.2)

    assert "model: " in _refused(life, killed)


def _generator() -> Iterator[Any]:
    yield X[:8], Y[:8]


def _inside_epochs(scene: Scene, model: Any) -> None:
    for _ in scene.run.epochs(2):
        model.fit(X, Y)


def _with(**options: Any) -> Callable[[Scene, Any], None]:
    return lambda scene, model: model.fit(**{"x": X, "y": Y, **options})


class _WithFit(keras.Sequential):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        return super().fit(*args, **kwargs)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda scene, model: model.fit(_generator(), verbose=0), "cannot say after a restart where it was"),
        (_inside_epochs, "inside a loop of the run"),
        (_with(callbacks=[keras.callbacks.BackupAndRestore("b")]), "BackupAndRestore"),
        (_with(callbacks=keras.callbacks.CallbackList()), "CallbackList"),
        (lambda scene, model: scene.run.attach(model), "attached already"),
        (lambda scene, model: (scene.model(), model.fit(X, Y)), "another model was attached"),
        (lambda scene, model: scene.run.attach(_WithFit()), "fit of its own"),
        (lambda scene, model: scene.run.attach(layers.Dense(1)), "attach the model"),
        (lambda scene, model: scene.run.attach([]), "is nothing whose training a run could follow"),
    ],
)
def test_what_cannot_be_exact_is_refused(call: Callable[[Scene, Any], None], what: str, tmp_path: Path) -> None:
    """With a reason, before anything is trained."""

    def life(scene: Scene) -> None:
        scene.setup()
        call(scene, scene.model())

    assert what in _refused(life, tmp_path)


def test_what_a_callback_has_that_cannot_be_kept_is_said(killed: Path) -> None:
    """And so is a callback that the checkpoint does not know."""

    class Odd(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.lock = object()

    def life(scene: Scene) -> str:
        logging.getLogger("colab_resume").addHandler(logging.StreamHandler(said := io.StringIO()))
        scene.setup()
        scene.fit(scene.model(), X, Y, batch_size=8, epochs=5, validation_split=0.2, callbacks=[Odd()])
        return said.getvalue()

    said = _lived(life, killed, vm="other")
    assert "Odd was not there when the checkpoint was made" in said
    assert "EarlyStopping is in the checkpoint, and not in this fit" in said


def test_a_broken_install_is_one_clear_line(tmp_path: Path) -> None:
    """And attaching something else does not look for Keras at all."""
    code = (
        "import sys, colab_resume\n"
        "sys.modules['keras'] = None\n"
        f"run = colab_resume.setup('t', store={str(tmp_path / 's')!r}, drive=False)\n"
        "kind = type('Model', (), {'__module__': 'keras.src.models.model'})\n"
        "try:\n    run.attach(kind())\n"
        "except colab_resume.errors.UsageError as error:\n    print('SAID', error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "SAID keras cannot be used here" in done.stdout


@pytest.mark.parametrize("compiled", [True, False])
def test_a_model_that_steps_in_another_loop_is_refused_if_its_optimizer_would_be_lost(
    compiled: bool, tmp_path: Path
) -> None:
    """As with `train_on_batch`; with an optimizer of torch it is a module like any other."""

    def life(scene: Scene) -> None:
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        if compiled:
            model.compile("adam", "mse")
        scene.setup().track(model=model)

    refused = _refused(life, tmp_path)
    assert refused.startswith(
        "UsageError: model was compiled with an optimizer of Keras" if compiled else "nothing was refused"
    )


def test_several_steps_in_one_go_are_refused(tmp_path: Path) -> None:
    """Control comes back between them only."""

    def life(scene: Scene) -> None:
        scene.setup()
        model = scene.model()
        model.compile("sgd", "mse", steps_per_execution=2)
        model.fit(X, Y)

    assert "several steps in one go" in _refused(life, tmp_path)


def test_a_path_set_anew_stays_as_the_code_says(tmp_path: Path) -> None:
    """What a callback was made with belongs to the code; only what it has learned is brought back."""

    def life(scene: Scene) -> Any:
        scene.setup()
        best = keras.callbacks.ModelCheckpoint(scene.store / "b.weights.h5", monitor="loss", save_weights_only=True)
        scene.fit(scene.model(), X, Y, batch_size=8, callbacks=[best])
        return [str(best.filepath), (scene.store / "b.weights.h5").is_file()]

    scene = Scene(store=tmp_path / "one", remote=tmp_path / "drive", death=("end", 8))
    assert live(lambda: life(scene))[0] == KILLED
    assert _lived(life, tmp_path, vm="two") == [str(tmp_path / "two" / "b.weights.h5"), True]


def test_all_cells_may_run_again_in_the_same_kernel(tmp_path: Path) -> None:
    """The model is made anew then, and Keras has counted its names on."""

    def life(scene: Scene, *, fails: bool) -> Any:
        breaks = [_fails_once_at(7, _interrupt, scene)] if fails else []
        for again in range(1 + fails):
            scene.histories.clear()
            scene.setup()
            model = scene.model()
            try:
                scene.fit(model, X, Y, batch_size=8, callbacks=breaks)
            except KeyboardInterrupt:
                assert not again
        found = scene.end(model)["end"]
        return [found["weights"], found["histories"][-1][:2], found["records"]]

    left, whole = (_lived(lambda scene: life(scene, fails=fails), tmp_path / str(fails)) for fails in (True, False))  # noqa: B023
    assert left == whole


def test_the_checkpoint_of_the_best_epoch_is_kept(tmp_path: Path) -> None:
    """However many steps and epochs come after it."""

    def life(scene: Scene) -> Any:
        scene.setup().best("val_loss", "max")
        options = {"batch_size": 8, "epochs": 4, "validation_split": 0.2, "callbacks": [_flush_at_each_step(scene)]}
        history = scene.fit(scene.model(), X, Y, **options).history["val_loss"]
        scene.run.finish()
        steps = [int(path.name[:10]) for path in (scene.remote / "t" / "checkpoints").glob("*.json")]
        return [history.index(max(history)), sorted(steps)]

    epoch, steps = _lived(life, tmp_path)
    assert epoch < 3
    assert steps[0] == 5 * (epoch + 1)
    assert steps[-1] == 20
