"""How long Keras's `fit` takes with checkpoints and without, printed as JSON; run as a process of its own for each back
end, which `KERAS_BACKEND` names, for Keras has one in a process."""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .ways import new_run

__all__ = ["main"]

_LAYERS = 5
_ROWS = 32
_LEFT_OUT = 11  # its graph is made in the first step, and colab_resume has its first checkpoint before it
_NAMES = ("colab_resume", "BackupAndRestore")


def main() -> None:
    """Time a fit without checkpoints and one of each way, in turns, so many times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keras_fit")
    parser.add_argument("megabytes", type=int)
    parser.add_argument("every", type=int)
    parser.add_argument("saves", type=int)
    parser.add_argument("times", type=int)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    # With numpy 2, by Keras itself.
    warnings.filterwarnings("ignore", "__array__ implementation doesn't accept", DeprecationWarning)
    found: dict[str, list[float]] = {name: [] for name in ("without", *_NAMES)}
    stalls: list[float] = []
    state = 0
    numbers = count()
    for _ in range(options.times):
        for name in ("without", *_NAMES):
            fit = _Fit(options, options.folder / str(next(numbers)))
            with redirect_stdout(StringIO()):
                seconds, stall = getattr(fit, name)()
            found[name].append(seconds)
            stalls += [stall] if name == _NAMES[0] else []
            state = fit.nbytes
    print(json.dumps({"seconds": found, "stalls": stalls, "state": state}))


class _Fit:
    """One `fit` of a new model. Each way returns how long it took, and what colab_resume counted of that."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        width = max(1, round((options.megabytes * 1e6 / 12 / _LAYERS) ** 0.5))
        self._every = options.every
        self._steps = _LEFT_OUT + options.every * options.saves
        self._folder = folder
        dense = [keras.layers.Dense(width, activation="relu") for _ in range(_LAYERS)]
        self._model = keras.Sequential([keras.Input((width,)), *dense])
        self._model.compile("adam", "mse")
        self._rows = np.random.default_rng(1).normal(size=(_ROWS * self._steps, width)).astype("float32")
        self.nbytes = 12 * sum(int(np.prod(one.shape)) for one in self._model.trainable_variables)

    def without(self) -> tuple[float, float]:
        return self._timed(), 0.0

    def colab_resume(self) -> tuple[float, float]:
        run = new_run(self._folder, every=str(self._every))
        run.attach(self._model)
        stalls: list[float] = []
        seconds = self._timed(_at_each_step(lambda: stalls.append(run.status().stall_seconds)))
        run.finish()
        return seconds, stalls[-1] - stalls[_LEFT_OUT]

    def BackupAndRestore(self) -> tuple[float, float]:  # noqa: N802 - as Keras calls it
        return self._timed(keras.callbacks.BackupAndRestore(self._folder, save_freq=self._every)), 0.0

    def _timed(self, *callbacks: Any) -> float:
        began: list[float] = []
        clock = _at_each_step(lambda: began.append(time.perf_counter()))
        self._model.fit(
            self._rows, self._rows, batch_size=_ROWS, verbose=0, shuffle=False, callbacks=[*callbacks, clock]
        )
        return began[-1] - began[_LEFT_OUT]


def _at_each_step(do: Callable[[], None]) -> Any:
    return keras.callbacks.LambdaCallback(on_train_batch_begin=lambda *_, **__: do())


if __name__ == "__main__":
    main()
