"""Trainings by Keras's `fit` on JAX, as on the other back ends, and what is only there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

os.environ["KERAS_BACKEND"] = "jax"  # before anything imports Keras

import jax
import keras
import numpy as np
from frameworks import keras_scenes
from frameworks.keras_scenes import Begins, Scene, X, Y
from keras import layers

import colab_resume
from colab_resume.errors import UsageError

__all__ = ["tell"]


class Own(keras.Model):
    """With a step of its own, which on JAX gets the state and gives it back, and noise of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = keras.random.SeedGenerator(7)
        self.dense = layers.Dense(1, dtype="bfloat16")

    def call(self, x: Any, training: bool = False) -> Any:
        return self.dense(x + 0.1 * keras.random.normal((1, 4), seed=self.noise) if training else x)

    def train_step(self, state: Any, data: Any) -> Any:
        logs, state = super().train_step(state, data)
        return {**logs, "seen": keras.ops.sum(data[0])}, state


def own_model(scene: Scene) -> dict[str, Any]:
    """A subclassed model with weights of 16 bits, averaged by the optimizer; in the second fit step by step."""
    run = scene.setup()
    model = run.attach(Own())
    options = {"batch_size": 8, "class_weight": {0: 1.0, 1: 2.0}, "validation_data": (X, Y)}
    model.compile(keras.optimizers.Adam(0.05, use_ema=True, ema_overwrite_frequency=4), "mse")
    scene.fit(model, X, Y, epochs=2, **options)
    model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=True)
    scene.fit(model, X, Y, epochs=1, **options)
    return scene.end(model)


def looked_at(scene: Scene) -> dict[str, Any]:
    """Another callback looks at the weights in the middle of an epoch, which JAX keeps elsewhere meanwhile."""
    scene.setup()
    model = scene.model()
    seen = []

    def look(batch: int, logs: Any) -> None:
        if batch % 2:
            model.jax_state_sync()
            seen.append(float(np.sum(model.get_weights()[0])))

    scene.fit(model, X, Y, batch_size=8, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=look)])
    return scene.end(model, seen[-1])


class Shifted(keras.utils.PyDataset):
    """Batches moved by numpy's generator; `looks` is called when one is asked for."""

    looks: Callable[[], Any] = staticmethod(lambda: None)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, number: int) -> Any:
        self.looks()
        return X[number * 7 : number * 7 + 7] + np.float32(np.random.normal()), Y[number * 7 : number * 7 + 7]


class Remade(Begins):
    """Has the step made anew before each epoch, as is done after layers were frozen."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.make_train_function(force=bool(epoch))


def ahead(scene: Scene) -> dict[str, Any]:
    """Nobody but the bar reads a step's numbers."""
    scene.setup()
    model = scene.model()
    for epochs in (2, 1):
        model.fit(Shifted(), epochs=epochs, verbose=1, callbacks=[Remade(scene)])
        scene.histories.append(model.history.history)
    return scene.end(model)


class Slow(keras.Model):
    """Its step takes some tenths of a second."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x: Any) -> Any:
        busy = jax.lax.fori_loop(0, 400, lambda _, found: jax.numpy.tanh(found @ found), jax.numpy.eye(300))
        return self.dense(x) + busy[0, 0]


def not_waited_for(scene: Scene) -> dict[str, Any]:
    """Whether the step is still under way when the next batch is made."""
    run = scene.setup()
    model = run.attach(Slow())
    model.compile("sgd", "mse")
    computes = []

    def look() -> None:
        if state := getattr(model, "_jax_state", None):
            computes.append(not state["trainable_variables"][0].is_ready())

    data = Shifted()
    data.looks = look
    model.fit(data, shuffle=False, verbose=0)
    run.finish()
    return {"computes": computes}


def on_a_gpu(scene: Scene) -> dict[str, Any]:
    """Keras takes this for a GPU, and there it would draw one batch ahead of the one that it trains on."""
    with mock.patch("jax.default_backend", return_value="gpu"):
        return keras_scenes.loader(scene)


def on_several_devices(scene: Scene) -> dict[str, Any]:
    """What is said to a model that is spread."""
    run = colab_resume.setup("t", store=scene.store, remote=scene.remote)
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0"]))
    model = run.attach(keras.Sequential([layers.Dense(1)]))
    model.compile("sgd", "mse")
    try:
        model.fit(X, Y, verbose=0)
    except UsageError as error:
        return {"said": str(error)}
    return {}


def tell(name: str, *, store: str, remote: str, death: list[Any] | None = None, **options: Any) -> dict[str, Any]:
    """One life of the scene of this name."""
    own: tuple[Callable[[Scene], dict[str, Any]], ...] = (
        own_model,
        looked_at,
        ahead,
        not_waited_for,
        on_a_gpu,
        on_several_devices,
        keras_scenes.held,
    )
    scenes = {scene.__name__: scene for scene in (*keras_scenes.FITS, *own)}
    place = None if death is None else tuple(death)
    return scenes[name](Scene(store=Path(store), remote=Path(remote), death=place, **options))
