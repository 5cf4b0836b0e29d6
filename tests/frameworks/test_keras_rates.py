"""A learning rate of Keras that was changed, in the code or by hand: what is trained on with is said."""

from __future__ import annotations

import io
import logging
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from frameworks.keras_scenes import Scene, X, Y
from vm import KILLED, live

import keras  # isort: skip - the scenes choose its back end

__all__: list[str] = []

IN_THE_CODE = "the code has changed since the run began (optimizer.learning_rate of keras is 0.001, was 0.01)"
BY_HAND = "put back: model.optimizer.learning_rate."


def lives(scene: Scene, optimizer: Any, *, by_hand: float | None = None) -> tuple[str, float]:
    """What was said, and the learning rate in the end; `by_hand`: it is set to that after Ctrl-C."""
    logging.getLogger("colab_resume").addHandler(logging.StreamHandler(said := io.StringIO()))
    scene.setup()
    model = scene.model(optimizer=optimizer)
    if by_hand is not None:
        stop = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs=None: batch == 3 and os.kill(os.getpid(), signal.SIGINT)
        )
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[stop])
        model.optimizer.learning_rate = by_hand
    scene.fit(model, X, Y, batch_size=8, epochs=2)
    return said.getvalue(), round(float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)), 6)


def after_a_death(folder: Path, first: Any, then: Any) -> tuple[str, float]:
    def scene(death: Any = None) -> Scene:
        return Scene(store=folder / "vm", remote=folder / "drive", death=death)

    assert live(lambda: lives(scene(("end", 4)), first()))[0] == KILLED
    status, found = live(lambda: lives(scene(), then()))
    assert status == 0
    return found[0], found[1]


def test_in_the_code(tmp_path: Path) -> None:
    said, rate = after_a_death(tmp_path, lambda: keras.optimizers.Adam(0.01), lambda: keras.optimizers.Adam(0.001))
    assert IN_THE_CODE in said
    assert rate == 0.01


def test_inside_a_scaler(tmp_path: Path) -> None:
    def scaled(rate: float) -> Any:
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(rate))

    said, _ = after_a_death(tmp_path, lambda: scaled(0.01), lambda: scaled(0.001))
    assert IN_THE_CODE in said


def test_the_same_code(tmp_path: Path) -> None:
    """Also with a schedule, which is the code's in any case."""

    def decaying() -> Any:
        return keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.01, 4, 0.5))

    for number, make in enumerate((lambda: keras.optimizers.Adam(0.01), decaying)):
        said, _ = after_a_death(tmp_path / str(number), make, make)
        assert "the code has changed" not in said


@pytest.mark.parametrize("rate", [0.001, 0.01])
def test_by_hand(rate: float, tmp_path: Path) -> None:
    """The same one is no change."""
    scene = Scene(store=tmp_path / "vm", remote=tmp_path / "drive")
    status, found = live(lambda: lives(scene, keras.optimizers.Adam(0.01), by_hand=rate))
    assert status == 0
    said, then = found
    assert (BY_HAND in said) is (rate != 0.01)
    assert then == 0.01
