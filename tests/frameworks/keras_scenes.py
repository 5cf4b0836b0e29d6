"""Small trainings by Keras's `fit`, each with moments at which it can be made to die."""

from __future__ import annotations

import hashlib
import os
import random
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")  # before anything imports Keras

import keras
import numpy as np
import torch
import trainings  # noqa: F401 - warms torch up, so that forked processes start quickly and use one thread
from keras import layers
from torch.utils.data import DataLoader, Dataset, IterableDataset
from vm import die

import colab_resume
from colab_resume.frameworks.keras import variables

__all__ = ["FITS", "Begins", "Moment", "Scene", "held"]

Moment = tuple[str, int]

X = np.random.default_rng(3).normal(size=(42, 4)).astype("float32")
Y = (X.sum(1, keepdims=True) > 0).astype("float32")


@dataclass(kw_only=True)
class Scene:
    """One life. `death` is where it ends, None for a life to the end."""

    store: Path
    remote: Path
    every: int = 1
    workers: int = 0
    death: Moment | None = None
    moments: list[Moment] = field(default_factory=list)
    histories: list[Any] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    compared: list[Any] = field(default_factory=list)

    def setup(self) -> colab_resume.Run:
        # Keras's own: where nobody knows a length, and with numpy 2.
        warnings.filterwarnings("ignore", "Your input ran out of data")
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept", DeprecationWarning)
        keras.utils.set_random_seed(5)
        torch.manual_seed(5)  # Keras seeds it only where it runs on it
        self.run = colab_resume.setup("t", store=self.store, remote=self.remote, every=self.every)
        return self.run

    def model(self, *, optimizer: Any = None) -> keras.Model:
        model = keras.Sequential(
            [
                layers.Dense(8, activation="relu"),
                layers.Dropout(0.3),
                layers.BatchNormalization(),
                layers.GaussianNoise(0.1),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile(optimizer or keras.optimizers.AdamW(0.02), "binary_crossentropy", metrics=["accuracy"])
        return self.run.attach(model)

    def fit(self, model: keras.Model, *args: Any, callbacks: Iterable[Any] = (), **options: Any) -> Any:
        options = {"epochs": 3, "verbose": 0, **options}
        seen = Seen()
        history = model.fit(*args, callbacks=[*callbacks, seen, Moments(self)], **options)
        self.histories.append([history.history, history.epoch, model.history is history, seen.batches])
        return history

    def at(self, place: str) -> None:
        moment = (place, self.run.status().step)
        self.moments.append(moment)
        if moment == self.death:
            self.run.flush()
            die()

    def end(self, model: keras.Model, *others: Any) -> dict[str, Any]:
        """All that must be the same whether the training was killed or not."""
        self.run.finish()
        values = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
        digest = hashlib.sha256()
        for value in values:
            digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(value)).tobytes())
        return {
            "end": {
                "weights": digest.hexdigest(),
                "histories": self.histories,
                "others": others,
                "records": [[record.step, record.epoch, record.values] for record in self.run.history()],
                "next numbers": [
                    torch.rand(1).item(),
                    float(np.random.rand()),
                    random.random(),
                    float(keras.random.uniform(())),
                ],
            },
            "moments": self.moments,
            "replay": self.run.status().replay,
        }


class Begins(keras.callbacks.Callback):
    """Tells the scene where it can be killed without asking for a step's numbers."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._at = scene.at

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._at("begin")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._at("epoch")


class Moments(Begins):
    """Tells the scene whenever there is something to be killed at."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._at("end")

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._at("validating")

    def on_train_end(self, logs: Any = None) -> None:
        self._at("train end")


class Seen(keras.callbacks.Callback):
    """A user's own callback, with a memory: which batches it was called for, and how the loss was."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Any] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches.append([batch, logs["loss"]])


class Shaken(keras.utils.PyDataset):
    """Batches shaken by all generators, in an order of its own that it shuffles after each epoch."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.indexes = np.arange(40)

    def __len__(self) -> int:
        return 5

    def __getitem__(self, number: int) -> Any:
        indexes = self.indexes[number * 8 : (number + 1) * 8]
        noise = np.random.normal(size=(8, 4)) + random.random() + torch.rand(8, 4).numpy()
        return X[indexes] + noise.astype("float32"), Y[indexes]

    def on_epoch_end(self) -> None:
        np.random.shuffle(self.indexes)


class Endless(Shaken):
    """The same without an end."""

    __len__ = None  # type: ignore[assignment]

    @property
    def num_batches(self) -> None:
        return None

    def __getitem__(self, number: int) -> Any:
        x, y = super().__getitem__(number % 5)
        return x + np.float32(number), y


class Points(Dataset[Any]):
    """For torch's DataLoader."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        return torch.from_numpy(X[index]) + torch.randn(4) + float(np.random.rand()), torch.from_numpy(Y[index])


class Stream(IterableDataset[Any]):
    """Without a length."""

    def __iter__(self) -> Any:
        for index in range(38):
            yield torch.from_numpy(X[index]) + torch.randn(4), torch.from_numpy(Y[index])


def arrays(scene: Scene) -> dict[str, Any]:
    """Arrays, validated on a part of them, with the callbacks that everybody uses."""
    run = scene.setup()
    model = scene.model()
    stop = keras.callbacks.EarlyStopping("val_loss", min_delta=0.001, patience=2, restore_best_weights=True)
    slower = keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, factor=0.5, min_delta=0.01)
    file = scene.store / "best.weights.h5"
    best = keras.callbacks.ModelCheckpoint(file, save_weights_only=True, save_best_only=True)
    named = keras.callbacks.ModelCheckpoint(scene.store / "{epoch}.keras", "loss", mode="max", save_best_only=True)
    table = scene.store / "table.csv"
    rows = keras.callbacks.CSVLogger(table)
    run.state(x=1)
    scene.fit(model, X, Y, batch_size=8, epochs=5, validation_split=0.2, callbacks=[stop, slower, best, named, rows])
    mine = [stop.wait, stop.best, stop.best_epoch, stop.min_delta, slower.wait, slower.best, slower.cooldown_counter]
    files = [hashlib.sha256(file.read_bytes()).hexdigest(), *(path.name for path in scene.store.glob("*.keras"))]
    return scene.end(model, *mine, best.best, stop.monitor_op is keras.ops.less, table.read_text(), files)


def stopped_early(scene: Scene) -> dict[str, Any]:
    """Stopped by a callback, between epochs in one fit, and in the middle of an epoch in the other."""
    scene.setup()
    model = scene.model(optimizer=keras.optimizers.SGD(0.0))
    flat = keras.callbacks.EarlyStopping("loss", patience=1, mode="max", baseline=99.0)
    scene.fit(model, X, Y, batch_size=8, epochs=20, callbacks=[flat])

    def stop(batch: int, logs: Any) -> None:
        model.stop_training = batch == 3

    scene.fit(model, X, Y, batch_size=8, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop)])
    return scene.end(model)


def own_dataset(scene: Scene) -> dict[str, Any]:
    """A PyDataset that shuffles itself, and another one to validate on."""
    scene.setup()
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.8)
    model = scene.model(optimizer=keras.optimizers.Adam(rate))
    options = {"workers": scene.workers, "use_multiprocessing": True} if scene.workers else {}
    data, validation = Shaken(**options), Shaken()
    scene.fit(model, data, validation_data=validation)
    return scene.end(model, data.indexes.tolist(), validation.indexes.tolist())


def loader(scene: Scene) -> dict[str, Any]:
    """A DataLoader of torch, shuffled, with augmentation."""
    scene.setup()
    model = scene.model()
    data = DataLoader(Points(), 8, shuffle=True, num_workers=scene.workers)
    scene.fit(model, data, shuffle=False, validation_data=(X, Y), validation_freq=2)
    return scene.end(model)


def stream(scene: Scene) -> dict[str, Any]:
    """An IterableDataset, of which nobody knows the length."""
    scene.setup()
    model = scene.model()
    scene.fit(model, DataLoader(Stream(), 8), shuffle=False)
    return scene.end(model)


def loop_of_fits(scene: Scene) -> dict[str, Any]:
    """`fit` in a loop, with code between; then another optimizer and a layer that is frozen."""
    scene.setup()
    model = scene.model()
    data, losses = Shaken(), []
    counter = Seen()
    for number in range(3):
        history = scene.fit(model, data, epochs=number + 1, initial_epoch=number, shuffle=False, callbacks=[counter])
        losses.append(history.history["loss"][-1])
    model.layers[0].trainable = False
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    scene.fit(model, X, Y, epochs=2, batch_size=16, shuffle="batch")
    return scene.end(model, losses, counter.batches)


def parts_of_the_data(scene: Scene) -> dict[str, Any]:
    """`steps_per_epoch` that leads from epoch to epoch through the data, which do or do not end."""
    scene.setup()
    model = scene.model()
    scene.fit(model, X, Y, batch_size=8, steps_per_epoch=4, epochs=4)
    scene.fit(model, Endless(), steps_per_epoch=3, shuffle=False, epochs=2)
    return scene.end(model)


class Own(keras.Model):
    """With a step of its own, a metric and a loss of its own, and noise from the global generator of Keras."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(1)
        self.seen = keras.metrics.Sum(name="seen")

    def call(self, x: Any, training: bool = False) -> Any:
        return self.dense(x + 0.1 * keras.random.normal((1, 4)) if training else x)

    def train_step(self, data: Any) -> Any:
        logs = super().train_step(data)
        self.seen.update_state(keras.ops.sum(data[0]))
        return {**logs, "seen": self.seen.result()}


def own_model(scene: Scene) -> dict[str, Any]:
    """A subclassed model; weights averaged by the optimizer."""
    run = scene.setup()
    model = run.attach(Own())
    model.compile(keras.optimizers.Adam(0.05, use_ema=True, ema_overwrite_frequency=4), "mse")
    scene.fit(model, {"x": X}["x"], Y, batch_size=8, class_weight={0: 1.0, 1: 2.0}, validation_data=(X, Y))
    return scene.end(model)


class Halves(keras.Model):
    """A maker and a judge of what it makes, each with an optimizer that Keras does not know of; and plain values that a
    step changes."""

    def __init__(self) -> None:
        super().__init__()
        self.maker, self.judge = layers.Dense(4), layers.Dense(1)
        self._count, self.shares = 0, {"noise": 1.0}
        self.seeds = keras.random.SeedGenerator(7)

    def compile(self, **options: Any) -> None:
        super().compile(**options)
        self.judges = keras.optimizers.Adam(0.05)
        self.by_half = {"maker": keras.optimizers.RMSprop(0.02, momentum=0.5)}

    def call(self, x: Any) -> Any:
        return self.judge(self.maker(x))

    def train_step(self, data: Any) -> Any:
        x, noise = data[0], keras.random.normal((1, 4), seed=self.seeds) * self.shares["noise"]
        if keras.backend.backend() == "torch":  # elsewhere the step is compiled, and these would not change
            self._count += 1
            self.shares["noise"] *= 0.9 if self._count % 3 else 1.5

        def judged() -> Any:
            return keras.ops.mean((self.judge(x) - 1.0) ** 2) + keras.ops.mean(self(x + noise) ** 2)

        def made() -> Any:
            return keras.ops.mean((self(x + noise) - 1.0) ** 2)

        return {
            "loss": self._step(self.judge, self.judges, judged),
            "made": self._step(self.maker, self.by_half["maker"], made),
        }

    def _step(self, half: Any, optimizer: Any, loss: Callable[[], Any]) -> Any:
        weights = half.trainable_weights
        if keras.backend.backend() == "torch":
            self.zero_grad()
            value = loss()
            value.backward()
            with torch.no_grad():
                optimizer.apply([weight.value.grad for weight in weights], weights)
            return value.detach()
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        optimizer.apply(tape.gradient(value, weights), weights)
        return value


def halves(scene: Scene) -> dict[str, Any]:
    """A model with a step and optimizers of its own, as a GAN."""
    run = scene.setup()
    model = run.attach(Halves())
    model.compile()
    scene.fit(model, X, Y, batch_size=8)
    slots = [*model.judges.variables, *model.by_half["maker"].variables]
    return scene.end(model, [keras.ops.convert_to_numpy(slot).tolist() for slot in slots])


class Shrinking(layers.Dense):
    """On torch: its weights shrink while a step computes, past all that torch counts."""

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.kernel.value.data.mul_(0.99)
        return super().call(x)


def edited(scene: Scene) -> dict[str, Any]:
    """Weights that are not only changed by the optimizer; large enough to be copied while a step computes."""
    run = scene.setup()
    model = run.attach(keras.Sequential([keras.Input((4,)), layers.Dense(600), Shrinking(600), layers.Dense(1)]))
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    scene.fit(model, X, Y, batch_size=8)
    return scene.end(model)


def held(scene: Scene) -> dict[str, Any]:
    """What is taken before a step, and nobody copies: on TensorFlow and JAX it stays as it was."""
    scene.setup()
    model = scene.model()
    found: dict[str, list[bool]] = {"stays": [], "moves": []}
    taken: list[Any] = []

    def take(batch: int, logs: Any) -> None:
        taken[:] = [(value, np.array(value)) for value in _values(model)]

    def look(batch: int, logs: Any) -> None:
        found["stays"].append(all(np.array_equal(value, copy) for value, copy in taken))
        now = zip(_values(model), taken, strict=True)
        found["moves"].append(any(not np.array_equal(value, copy) for value, (_, copy) in now))

    scene.fit(
        model,
        X,
        Y,
        batch_size=8,
        epochs=2,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_begin=take, on_train_batch_end=look)],
    )
    return {**scene.end(model), **found}


def _values(model: keras.Model) -> list[Any]:
    groups = variables.taken(model)["variables"]
    return [variable["value"].value for name in ("model", "optimizer") for variable in groups[name]]


FITS: tuple[Callable[[Scene], dict[str, Any]], ...] = (
    arrays,
    stopped_early,
    own_dataset,
    loader,
    stream,
    loop_of_fits,
    parts_of_the_data,
    own_model,
    halves,
    edited,
)
