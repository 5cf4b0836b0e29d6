"""TensorFlow's global random numbers: the seeds of operations outside of functions, and the global generators.

An operation such as `tf.random.uniform` that is given no seed of its own gets one from a generator of TensorFlow's in
Python, which is kept. One inside a `tf.function`, or with a seed of its own, counts for itself in a place that nobody
can read: see `docs/exactness.md`.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.ops import stateful_random_ops

from ..data import randomness

__all__ = ["keep"]


class _Chance:
    """That of this process."""

    def get(self) -> dict[str, Any]:
        """Plain values and arrays."""
        seed, rng = context.global_seed(), getattr(context.context(), "_rng", None)
        generator, kerass = stateful_random_ops.global_generator, _seed_of_keras()
        return {
            "seed": seed,
            "operations": None if seed is None or rng is None else _packed(rng.getstate()),
            "generator": None if generator is None else generator.state.numpy(),
            "keras": None if kerass is None else kerass.numpy(),
        }

    def set(self, state: Any) -> None:
        """Put them back; a generator that is not there yet is made."""
        if state["operations"] is not None:
            tf.random.set_seed(state["seed"])
            context.context()._rng.setstate(_unpacked(state["operations"]))
        if state["generator"] is not None:
            tf.random.get_global_generator().state.assign(state["generator"])
        kerass = None if state["keras"] is None else _seed_of_keras(make=True)
        if kerass is not None:
            kerass.assign(state["keras"])


def keep() -> None:
    """From now on they are kept with the other generators."""
    randomness.include("tensorflow", _Chance())


def _seed_of_keras(*, make: bool = False) -> Any:
    """The state of Keras's global generator, if Keras is here and has one."""
    if "keras" not in sys.modules:
        return None
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator

    found = global_seed_generator() if make else global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    return found.state if found is not None and sys.modules["keras"].backend.backend() == "tensorflow" else None


def _packed(state: Any) -> list[Any]:
    version, words, rest = state
    return [version, np.array(words, np.uint32), rest]


def _unpacked(state: Any) -> tuple[Any, ...]:
    version, words, rest = state
    return version, tuple(words.tolist()), rest
