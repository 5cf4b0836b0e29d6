"""One life of a training on TensorFlow: where it is stored, and where it ends."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch
from vm import die

import colab_resume

__all__ = ["Life", "X", "Y", "digest"]

X = np.random.default_rng(3).normal(size=(42, 4)).astype("float32")
Y = (X.sum(1, keepdims=True) > 0).astype("float32")


def digest(values: Iterable[Any]) -> str:
    """Of all their bits."""
    found = hashlib.sha256()
    for value in values:
        found.update(np.ascontiguousarray(value.numpy()).tobytes())
    return found.hexdigest()


@dataclass(kw_only=True)
class Life:
    """`death`: the place and the step where it ends; None for a life to the end."""

    store: str
    remote: str
    every: int = 1
    death: list[Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    moments: list[Any] = field(default_factory=list)

    def setup(self) -> colab_resume.Run:
        """With everything seeded, as a notebook would do it."""
        torch.set_num_threads(1)
        torch.manual_seed(5)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(5)
        self.run = colab_resume.setup("t", store=self.store, remote=self.remote, every=self.every)
        return self.run

    def at(self, place: str) -> None:
        """Here it may end."""
        moment = [place, self.run.status().step]
        self.moments.append(moment)
        if moment == self.death:
            self.run.flush()
            die()

    def end(self, **found: Any) -> dict[str, Any]:
        """All that must be the same whether the training was killed or not, and what may differ."""
        self.run.finish()
        status = self.run.status()
        return {
            "end": {
                **found,
                "records": [[record.step, record.epoch, record.values] for record in self.run.history()],
                "next numbers": [
                    float(torch.rand(1)),
                    float(np.random.rand()),
                    random.random(),
                    float(tf.random.uniform(())),
                    float(keras.random.uniform(())),
                ],
            },
            "moments": self.moments,
            "replay": status.replay,
        }
