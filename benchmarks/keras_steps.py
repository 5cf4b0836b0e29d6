"""What a run beside Keras's `fit` adds to its steps, printed as JSON; run as a process of its own for each back end,
which `KERAS_BACKEND` names, for Keras has one in a process."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import keras
import torch

import colab_resume

from .beside import BARE, COMPUTE, pairs_of
from .fits import Clock, Passes

__all__ = ["main"]


def main() -> None:
    """Time so many pairs of stretches."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keras_steps")
    parser.add_argument("kind", choices=[COMPUTE, BARE])
    parser.add_argument("times", type=int)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    _on_one_thread()
    with redirect_stdout(StringIO()):
        pairs = pairs_of(options.kind, _fit, options.times, options.folder, lambda: None)
    print(json.dumps([[step.to_json() for step in pair] for pair in pairs]))


def _on_one_thread() -> None:
    """But for JAX, which is told so only before it is imported; its passes are not in what is measured."""
    torch.set_num_threads(1)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The same rows in each step, handed out whole: what it takes to gather a batch is not what is measured."""

    def __init__(self, rows: Any, steps: int) -> None:
        super().__init__()
        self._rows = rows
        self._steps = steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Any:
        return self._rows, self._rows


class Timed(keras.Sequential):  # type: ignore[misc]
    """Tells the clock of its passes: on torch until the last gradient, else of all that is compiled into one step."""

    clock: Clock
    stamps: Any = None

    def train_step(self, *data: Any) -> Any:
        if keras.backend.backend() == "torch":
            self.clock.begin()
        return self._stamped(*data) if self.stamps is not None else super().train_step(*data)

    def _stamped(self, data: Any) -> Any:
        import tensorflow as tf

        begin = tf.timestamp()
        with tf.control_dependencies([begin]):
            logs = super().train_step(data)
            with tf.control_dependencies([weight.value.read_value() for weight in self.trainable_weights]):
                end = tf.timestamp()
        self.stamps.assign([begin, end])
        return logs

    def _make_function(self, step: Any, *others: Any, **options: Any) -> Any:
        if keras.backend.backend() == "jax":
            step = self._timed(step)
        return super()._make_function(step, *others, **options)

    def _timed(self, step: Any) -> Any:
        import jax

        def timed(*data: Any) -> Any:
            self.clock.begin()
            found = jax.block_until_ready(step(*data))
            self.clock.end()
            return found

        return timed


def _fit(
    model: torch.nn.Module, rows: torch.Tensor, steps: int, _folder: Path, run: colab_resume.Run | None
) -> Sequence[Passes]:
    """Its numbers are read in each step, as its bar does it that everybody sees."""
    back_end = keras.backend.backend()
    widths = [layer.out_features for layer in model if isinstance(layer, torch.nn.Linear)]
    made = Timed([keras.Input(rows.shape[1:]), *(keras.layers.Dense(width, "relu") for width in widths)])
    vars(made)["clock"] = clock = Clock()
    if back_end == "tensorflow":
        vars(made)["stamps"] = _new_stamps()
    made.compile("adam", "mse")

    def read(*_: Any, **__: Any) -> None:
        if made.stamps is not None:
            clock.passes.append(Passes(*made.stamps.numpy()))

    reading = keras.callbacks.LambdaCallback(on_train_batch_end=read)
    batches = _Batches(keras.ops.convert_to_tensor(rows), steps)
    with clock.ends_at(made.trainable_weights[0].value) if back_end == "torch" else nullcontext():
        (run.attach(made) if run else made).fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[reading])
    return clock.passes


def _new_stamps() -> Any:
    import tensorflow as tf

    return tf.Variable([0.0, 0.0], dtype=tf.float64, trainable=False)


if __name__ == "__main__":
    main()
